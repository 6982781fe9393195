import { assertEquals, assertThrows } from "@std/assert";
import type { Peer } from "../../../src/tls/chain_error.ts";
import { TlsError, type TlsFailure } from "../../../src/tls/tls_error.ts";
import { Verifier } from "../../../src/tls/verifier.ts";
import {
  type CertificateOptions,
  daysFromNow,
  TestCertificate,
} from "../../support/certificate.ts";

const root = TestCertificate.root();
const intermediate = root.issueCa();
const lower = intermediate.issueCa({ subject: "lower" });
const stranger = TestCertificate.root({ subject: "stranger" });
/** A CA of the same name with another key. */
const impostor = TestCertificate.root();

/** The reason of a refusal, for a chain as the peer sends it; undefined if it holds. */
function refusal(
  chain: readonly TestCertificate[],
  { ca = root, peer = "node" as Peer } = {},
): TlsFailure | undefined {
  return refusalOf(new Verifier(peer, ca.pem), chain.map(({ der }) => der));
}

function refusalOf(
  verifier: Verifier,
  chain: readonly Uint8Array[],
  now = new Date(),
): TlsFailure | undefined {
  try {
    assertEquals(verifier.verify(chain, { nowMs: now.getTime() }).der, chain[0]);
    return undefined;
  } catch (error) {
    if (error instanceof TlsError) return error.reason;
    throw error;
  }
}

const ACCEPTED: Record<string, readonly TestCertificate[]> = {
  "signed by the CA": [root.issue()],
  "signed by an intermediate": [intermediate.issue(), intermediate],
  "with certificates in any order": [lower.issue(), stranger, intermediate, lower],
  "with the root, too": [intermediate.issue(), intermediate, root],
  "without extended key usage": [root.issue({ usages: undefined })],
  "that is itself trusted": [root],
  "of a CA that limits the path": [root.issueCa({ pathLength: 0 })].flatMap((ca) => [
    ca.issue(),
    ca,
  ]),
  "of a CA whose key usage allows it": [root.issueCa({ maySign: true })].flatMap((ca) => [
    ca.issue(),
    ca,
  ]),
};

for (const [name, chain] of Object.entries(ACCEPTED)) {
  Deno.test(`a certificate ${name} is accepted`, () => {
    assertEquals(refusal(chain), undefined);
    assertEquals(refusal(chain, { peer: "client" }), undefined);
  });
}

const under = (options: CertificateOptions) => {
  const ca = root.issueCa(options);
  return [ca.issue(), ca];
};

const REFUSED: Record<string, [TlsFailure, readonly TestCertificate[]]> = {
  "of another CA": ["unknown-ca", [stranger.issue()]],
  "of another CA, which it sends along": ["unknown-ca", [stranger.issue(), stranger]],
  "of a CA with the same name and another key": ["unknown-ca", [impostor.issue()]],
  "that signed itself": ["unknown-ca", [TestCertificate.selfSigned()]],
  "whose intermediate is missing": ["unknown-ca", [intermediate.issue()]],
  "whose intermediate has the right name and another key": [
    "unknown-ca",
    [intermediate.issue(), impostor.issueCa()],
  ],
  "that has expired": ["expired", [root.issue({ notAfter: daysFromNow(-0.5) })]],
  "whose intermediate has expired": ["expired", under({ notAfter: daysFromNow(-0.5) })],
  "that is not valid yet": ["not-yet-valid", [root.issue({ notBefore: daysFromNow(1) })]],
  "whose intermediate is not valid yet": ["not-yet-valid", under({ notBefore: daysFromNow(1) })],
  "for no usage": ["wrong-usage", [root.issue({ usages: [] })]],
  "signed by a leaf": ["unknown-ca", under({ isCa: false })],
  "below a CA that allows no CA": [
    "unknown-ca",
    [root.issueCa({ pathLength: 0 })].flatMap((ca) => {
      const lower = ca.issueCa({ subject: "lower" });
      return [lower.issue(), lower, ca];
    }),
  ],
  "of a CA whose key usage forbids it": ["unknown-ca", under({ maySign: false })],
  "of version 1, genuine": ["unknown-ca", [root.issue({ version: 1 })]],
  "of version 1, forged": ["unknown-ca", [impostor.issue({ version: 1 })]],
  "of version 2": ["unknown-ca", [root.issue({ version: 2 })]],
  "of version 4": ["unknown-ca", [root.issue({ version: 4 })]],
  "of an intermediate of version 1": ["unknown-ca", under({ version: 1 })],
  "with a bad encoding": ["protocol", [root.issue({ isBadlyEncoded: true })]],
  "with a bad encoding, forged": ["protocol", [impostor.issue({ isBadlyEncoded: true })]],
};

for (const [name, [reason, chain]] of Object.entries(REFUSED)) {
  Deno.test(`a certificate ${name} is refused`, () => {
    assertEquals(refusal(chain), reason);
    assertEquals(refusal(chain, { peer: "client" }), reason);
  });
}

Deno.test("a certificate is for its usage only", () => {
  const forNodes = [root.issue({ usages: ["serverAuth"] })];
  const forClients = [root.issue({ usages: ["clientAuth"] })];
  assertEquals(refusal(forNodes), undefined);
  assertEquals(refusal(forNodes, { peer: "client" }), "wrong-usage");
  assertEquals(refusal(forClients), "wrong-usage");
  assertEquals(refusal(forClients, { peer: "client" }), undefined);
  // An intermediate limits what is below it.
  assertEquals(refusal(under({ usages: ["clientAuth"] })), "wrong-usage");
});

Deno.test("a client's chain has no critical extension that is not known", () => {
  const critical = "1.3.6.1.4.1.99999.1";
  const client = { peer: "client" } as const;
  assertEquals(refusal(under({ critical }), client), "wrong-usage");
  // The runtime cannot read such a certificate.
  assertEquals(refusal([root.issue({ critical })], client), "protocol");
  // That of name constraints, which limit what an intermediate may sign.
  assertEquals(refusal(under({ critical: "2.5.29.30" }), client), "wrong-usage");
  // The runtime judges the chains of nodes, too.
  assertEquals(refusal(under({ critical: "2.5.29.30" })), undefined);
});

Deno.test("a CA of version 1 is one if the operator says so", () => {
  const old = TestCertificate.root({ version: 1 });
  assertEquals(refusal([old.issue()], { ca: old }), undefined);
  assertEquals(refusal([old.issue()]), "unknown-ca");
});

for (const keyType of ["P-384", "RSA", "Ed25519"] as const) {
  Deno.test(`signatures of ${keyType} keys are verified`, () => {
    const ca = TestCertificate.root({ keyType });
    const other = TestCertificate.root({ keyType });
    assertEquals(refusal([ca.issue()], { ca }), undefined);
    assertEquals(refusal([other.issue()], { ca }), "unknown-ca");
  });
}

Deno.test("a changed byte in a signed certificate is noticed", () => {
  const leaf = root.issue({ names: ["a.example"] });
  const verifier = new Verifier("node", root.pem);
  verifier.verify([leaf.der]);
  const changed = leaf.der.slice();
  const at = new TextDecoder("latin1").decode(changed).indexOf("a.example");
  changed[at] = "b".charCodeAt(0);
  assertEquals(refusalOf(verifier, [changed]), "unknown-ca");
});

Deno.test("a chain that was verified expires", () => {
  const leaf = root.issue({ notAfter: daysFromNow(2) });
  const verifier = new Verifier("node", root.pem);
  assertEquals(refusalOf(verifier, [leaf.der]), undefined);
  assertEquals(refusalOf(verifier, [leaf.der], daysFromNow(1)), undefined);
  assertEquals(refusalOf(verifier, [leaf.der], daysFromNow(3)), "expired");
});

Deno.test("a chain that was verified is not verified with other certificates", () => {
  const leaf = intermediate.issue();
  const verifier = new Verifier("node", root.pem);
  verifier.verify([leaf.der, intermediate.der]);
  assertThrows(() => verifier.verify([leaf.der]), TlsError);
});

Deno.test("a long chain and garbage are refused", () => {
  const verifier = new Verifier("node", root.pem);
  const { der } = root.issue();
  assertThrows(() => verifier.verify(Array(50).fill(der)), TlsError, "malformed");
  assertThrows(() => verifier.verify([]), TlsError, "malformed");
  assertThrows(() => verifier.verify([new Uint8Array(100)]), TlsError, "malformed");
  assertThrows(() => verifier.verify([new Uint8Array([...der, 0])]), TlsError, "malformed");
  assertThrows(() => verifier.verify([der.subarray(0, -1)]), TlsError, "malformed");
});

Deno.test("many certificates of the right name cost a bounded time", () => {
  const impostors = Array.from({ length: 9 }, () => impostor.issueCa());
  assertEquals(refusal([intermediate.issue(), ...impostors]), "unknown-ca");
});

Deno.test("with the default roots every certificate must be one that the runtime can read", () => {
  const verifier = new Verifier("node", undefined);
  assertEquals(refusalOf(verifier, [root.issue().der]), undefined);
  const old = root.issueCa({ version: 1 });
  assertEquals(refusalOf(verifier, [old.issue().der, old.der]), "unknown-ca");
  const bad = root.issueCa({ isBadlyEncoded: true });
  assertEquals(refusalOf(verifier, [bad.issue().der, bad.der]), "protocol");
});

Deno.test("a message names the options of its side", () => {
  const { der } = stranger.issue();
  const verify = (peer: Peer) => () => new Verifier(peer, root.pem).verify([der]);
  assertThrows(verify("node"), TlsError, "node's certificate is not signed by a known CA: set --c");
  assertThrows(verify("client"), TlsError, "client's certificate is not signed by a known CA: set");
});

Deno.test("a CA file without a certificate, or with a bad one, is refused", () => {
  assertThrows(() => new Verifier("node", ""), SyntaxError, "no certificate in PEM format");
  const cut = root.pem.replace(/^(.*\n.*\n)/, "$1AAAA\n");
  assertThrows(() => new Verifier("node", cut), SyntaxError, "malformed");
});
