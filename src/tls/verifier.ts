import { Buffer } from "node:buffer";
import { generateKeyPairSync } from "node:crypto";
import { type Certificate, latin1, parseCertificate, parseCertificates } from "./certificate.ts";
import { chainError, type ChainFailure, type Peer } from "./chain_error.ts";

/**
 * Verifies the certificate chains of nodes or of clients (RFC 5280, section 6). The runtime's own
 * verification is not enough: it accepts a chain with a certificate of version 1, or one that it
 * cannot read, if only the names of the issuers are right. If that is the leaf, it does not even
 * check that the peer has the key.
 */
export class Verifier {
  readonly #peer: Peer;
  /** The trusted certificates by the encoding of their subject; undefined for the default roots. */
  readonly #roots: Roots | undefined;
  /** Chains that were verified, by all their bytes: a signature costs a millisecond. */
  readonly #verified = new Map<string, Verified>();

  /**
   * @param ca PEM text; undefined for the runtime's default roots. The runtime does not show them
   * without another permission. So it must verify these chains, too, and does so correctly when
   * this verifier has made sure that it can read every certificate.
   * @throws {SyntaxError} if a certificate is malformed
   */
  constructor(peer: Peer, ca: string | undefined) {
    this.#peer = peer;
    this.#roots = ca === undefined
      ? undefined
      : Map.groupBy(parseCertificates(ca), ({ subject }) => subject);
  }

  /**
   * Verifies a chain, as the peer sent it: its own certificate first, then others in any order.
   * The names in it are not checked.
   *
   * @param hasKey whether the peer has proven that it has the key of its certificate; asked if the
   * runtime has not checked that, and the chain holds otherwise
   * @returns the peer's own certificate
   * @throws {TlsError} if the chain does not hold at `nowMs`
   */
  verify(
    chain: readonly Uint8Array[],
    { nowMs = Date.now(), hasKey = (_leaf: Certificate): boolean => false } = {},
  ): Certificate {
    const key = chain.map(latin1).join();
    let verified = this.#verified.get(key);
    if (verified === undefined || nowMs < verified.fromMs || nowMs > verified.untilMs) {
      verified = this.#verify(chain, nowMs);
      if (this.#verified.size >= MAX_VERIFIED) this.#verified.clear();
      this.#verified.set(key, verified);
    }
    const { leaf } = verified;
    if (leaf.version !== 3 && !hasKey(leaf)) throw chainError(this.#peer, "version-1");
    return leaf;
  }

  #verify(chain: readonly Uint8Array[], nowMs: number): Verified {
    const [leaf, ...sent] = this.#parse(chain);
    for (const one of this.#roots === undefined ? [leaf, ...sent] : [leaf]) {
      if (one.version === 3 && !isReadByRuntime(one)) throw chainError(this.#peer, "malformed");
      if (one.version !== 3 && (this.#roots === undefined || one.version !== 1)) {
        throw chainError(this.#peer, "version-1");
      }
    }
    const path = this.#roots === undefined
      ? this.#leafOnly(leaf, nowMs)
      : this.#path(this.#roots, [leaf, ...sent], nowMs);
    const usage = USAGES[this.#peer];
    // The runtime knows more extensions, and has verified the rest of nodes' chains.
    const isAlone = this.#peer === "client" || leaf.version !== 3;
    if (isAlone && path.some(({ hasUnknownCritical }) => hasUnknownCritical)) {
      throw chainError(this.#peer, "unknown-extension");
    }
    for (const { usages } of path) {
      if (usages !== undefined && !usages.includes(usage) && !usages.includes(ANY_USAGE)) {
        throw chainError(this.#peer, "wrong-usage");
      }
    }
    return {
      leaf,
      fromMs: Math.max(...path.map(({ x509 }) => Date.parse(x509.validFrom))),
      untilMs: Math.min(...path.map(({ x509 }) => Date.parse(x509.validTo))),
    };
  }

  #path(
    roots: Roots,
    [leaf, ...sent]: readonly [Certificate, ...Certificate[]],
    nowMs: number,
  ): readonly Certificate[] {
    const search: Search = { roots, sent, nowMs, signatures: 0, failure: undefined };
    const path = findPath(leaf, [], search);
    if (path === undefined) throw chainError(this.#peer, search.failure ?? "unknown-ca");
    return path;
  }

  /** The runtime verifies the rest, but cannot say what is wrong. */
  #leafOnly(leaf: Certificate, nowMs: number): readonly Certificate[] {
    const failure = dateFailure(leaf, nowMs);
    if (failure !== undefined) throw chainError(this.#peer, failure);
    return [leaf];
  }

  #parse(chain: readonly Uint8Array[]): [Certificate, ...Certificate[]] {
    try {
      const [leaf, ...sent] = chain.slice(0, MAX_CERTIFICATES).map(parseCertificate);
      if (leaf !== undefined && chain.length <= MAX_CERTIFICATES) return [leaf, ...sent];
    } catch (error) {
      throw chainError(this.#peer, "malformed", { cause: error });
    }
    throw chainError(this.#peer, "malformed");
  }
}

/** The certificates from the leaf to a trusted one, if there is such a path. */
function findPath(
  certificate: Certificate,
  below: readonly Certificate[],
  search: Search,
): readonly Certificate[] | undefined {
  const failure = dateFailure(certificate, search.nowMs);
  if (failure !== undefined) {
    search.failure ??= failure;
    return undefined;
  }
  const path = [...below, certificate];
  const namesakes = search.roots.get(certificate.subject) ?? [];
  if (namesakes.some(({ der }) => Buffer.compare(der, certificate.der) === 0)) return path;
  const roots = search.roots.get(certificate.issuer) ?? [];
  const sent = search.sent.filter((one) =>
    one.subject === certificate.issuer && !path.includes(one)
  );
  for (const issuer of [...roots, ...sent]) {
    if (++search.signatures > MAX_SIGNATURES) return undefined;
    if (!isSignedBy(certificate, issuer)) continue;
    // The operator trusts a root; old ones have version 1, which has no field to say it is a CA.
    const isCa = (issuer.isCa && issuer.maySign) ||
      (issuer.version === 1 && roots.includes(issuer));
    if (!isCa || (issuer.version === 3 && issuer.pathLength < below.length)) {
      search.failure ??= "wrong-issuer";
      continue;
    }
    const found = findPath(issuer, path, search);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isSignedBy({ x509 }: Certificate, issuer: Certificate): boolean {
  try {
    return x509.verify(issuer.x509.publicKey);
  } catch {
    // The runtime does not know the algorithm.
    return false;
  }
}

type Roots = ReadonlyMap<string, readonly Certificate[]>;

interface Verified {
  readonly leaf: Certificate;
  /** While the result holds. */
  readonly fromMs: number;
  readonly untilMs: number;
}

/** The state of one search for a path. */
interface Search {
  readonly roots: Roots;
  readonly sent: readonly Certificate[];
  readonly nowMs: number;
  signatures: number;
  /** Why the first path that ended did so, unless no issuer was found. */
  failure: ChainFailure | undefined;
}

/** Nodes and their clients are few, and each has one chain at a time. */
const MAX_VERIFIED = 256;

/** Chains in use have at most 5; OpenSSL refuses more than 100. */
const MAX_CERTIFICATES = 10;

/** Bounds the time that a chain made for it can cost; a genuine one needs one for each step. */
const MAX_SIGNATURES = 20;

/** Object ids of the extended key usages serverAuth, clientAuth and anyExtendedKeyUsage. */
const USAGES = { node: "1.3.6.1.5.5.7.3.1", client: "1.3.6.1.5.5.7.3.2" };
const ANY_USAGE = "2.5.29.37.0";

function dateFailure(
  { x509 }: Certificate,
  nowMs: number,
): "expired" | "not-yet-valid" | undefined {
  if (nowMs < Date.parse(x509.validFrom)) return "not-yet-valid";
  // Also if the date cannot be parsed.
  return nowMs <= Date.parse(x509.validTo) ? undefined : "expired";
}

let strangersKey: string | undefined;

/**
 * Whether the runtime's TLS can read a certificate. A client of HTTP is given the certificate with
 * another key: the runtime reads the certificate first, and only then refuses the pair.
 */
function isReadByRuntime({ x509, der }: Certificate): boolean {
  strangersKey ??= generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey
    .export({ type: "pkcs8", format: "pem" }) as string;
  try {
    Deno.createHttpClient({ cert: x509.toString(), key: strangersKey }).close();
    return false;
  } catch (error) {
    if (!String(error).includes("KeyMismatch")) return false;
  }
  // The runtime reads the key later than the rest. It is read if this is its shortest form.
  const key = x509.publicKey.export({ type: "spki", format: "der" });
  return Buffer.from(der).includes(key);
}
