import { createPrivateKey, type KeyObject } from "node:crypto";
import {
  type FileTexts,
  type OptionFile,
  OptionFileError,
  type WatchedFiles,
} from "../platform/files_watcher.ts";
import { openSecretWarning, secretIn } from "../platform/secret_file.ts";
import { type Certificate, parseCertificates } from "./certificate.ts";
import { canSign } from "./identity.ts";
import { isForHost, namesOf } from "./names.ts";
import type { ClientAuth, Identity, NodeMaterial, ServerMaterial } from "./material.ts";

/** The files of a certificate and its key. */
export interface IdentityFiles {
  readonly certificates: OptionFile;
  readonly key: OptionFile;
  readonly passphrase: OptionFile | undefined;
}

/** The options of TLS towards clients. */
export interface ServerTlsFiles extends Pick<ServerMaterial, "minVersion"> {
  readonly identity: IdentityFiles;
  /** The CAs of clients' certificates; undefined if clients show none. */
  readonly clientCa: OptionFile | undefined;
  readonly clientAuth: ClientAuth;
}

/** The options of TLS towards nodes. */
export interface NodeTlsFiles extends Pick<NodeMaterial, "serverName" | "verify"> {
  /** Undefined if the proxy shows no certificate to nodes. */
  readonly identity: IdentityFiles | undefined;
  /** The CAs of nodes; undefined for the default roots of the runtime. */
  readonly ca: OptionFile | undefined;
}

/** A certificate in use, and the file it is in. */
export interface FiledCertificate {
  readonly file: OptionFile;
  readonly certificate: Certificate;
}

/** What the files of one side mean. */
export interface Reading<Material> {
  readonly material: Material;
  readonly certificates: readonly FiledCertificate[];
  /** One line each, for the operator. */
  readonly warnings: readonly string[];
}

/** The files of one side, and how to read them. */
export type TlsFiles<Material> = WatchedFiles<Reading<Material>>;

/** A host at which clients reach the proxy. */
export interface ShownHost {
  readonly host: string;
  readonly kind: "host" | "IP address";
  /** The option that sets it. */
  readonly option: string;
}

/**
 * The files for clients, who verify that the certificate is for the public host or IP address.
 *
 * @param shown those of the views that use the certificate, as far as they are known
 */
export function serverFiles(
  options: ServerTlsFiles,
  shown: readonly ShownHost[],
): TlsFiles<ServerMaterial> {
  const { identity, clientCa, clientAuth, minVersion } = options;
  return {
    files: existing([...Object.values(identity), clientCa]),
    parse(texts) {
      const reader = new Reader(texts);
      const own = reader.identity(identity, "tls");
      const [leaf] = reader.certificates;
      if (leaf!.certificate.version !== 3) {
        throw invalid(
          identity.certificates,
          "the certificate has no extensions (X.509 version 1), so most clients refuse it; " +
            "issue it with a subjectAltName for the public host",
        );
      }
      for (const { host, kind, option } of shown) {
        if (isForHost(leaf!.certificate, host)) continue;
        reader.warnings.push(
          `The certificate in ${identity.certificates.source} '${identity.certificates.path}' is ` +
            `for ${namesOf(leaf!.certificate) || "no name"}, not for the public ${kind} ` +
            `'${host}': clients that verify names refuse it; issue it for that ${kind}, or ` +
            `correct ${option}`,
        );
      }
      return reader.reading({
        identity: own,
        clientCa: reader.authorities(clientCa),
        clientAuth,
        minVersion,
      });
    },
  };
}

/** The files for nodes; none if the default roots are used, and no own certificate. */
export function nodeFiles(options: NodeTlsFiles): TlsFiles<NodeMaterial> {
  const { identity, ca, serverName, verify } = options;
  return {
    files: existing([...Object.values(identity ?? {}), ca]),
    parse(texts) {
      const reader = new Reader(texts);
      return reader.reading({
        identity: identity && reader.identity(identity, "cluster-tls"),
        ca: reader.authorities(ca),
        serverName,
        verify,
      });
    },
  };
}

function existing(files: readonly (OptionFile | undefined)[]): OptionFile[] {
  return files.filter((file) => file !== undefined);
}

/** A private key in PEM form; other blocks may precede it, such as the parameters of a curve. */
const KEY = /-----BEGIN ([A-Z ]*)PRIVATE KEY-----.*?-----END \1PRIVATE KEY-----/s;

/** Reads the files of one side one after the other. */
class Reader {
  readonly certificates: FiledCertificate[] = [];
  readonly #texts: FileTexts;
  readonly warnings: string[] = [];

  constructor(texts: FileTexts) {
    this.#texts = texts;
  }

  reading<Material>(material: Material): Reading<Material> {
    return { material, certificates: this.certificates, warnings: this.warnings };
  }

  /** @param prefix that of the options, for messages */
  identity(files: IdentityFiles, prefix: "tls" | "cluster-tls"): Identity {
    const chain = this.#parse(files.certificates);
    this.#file(files.certificates, chain);
    const key = this.#key(files, prefix);
    const owner = chain.findIndex(({ x509 }) => x509.checkPrivateKey(key));
    const { source, path } = files.certificates;
    if (owner < 0) {
      throw invalid(
        files.key,
        `it is not the key of the certificate in ${source} '${path}' (${nameOf(chain[0]!)}); ` +
          "expected its key",
      );
    }
    if (owner > 0) {
      throw invalid(
        files.certificates,
        `the certificate of the key in ${files.key.source} is number ${owner + 1} in it; ` +
          "put it first, and the certificates of its issuers after it",
      );
    }
    const found = { certificates: pemOf(chain), key: pkcs8Of(key) };
    if (found.key === "" || !canSign(found)) {
      throw invalid(
        files.key,
        "TLS knows no keys of this kind; expected RSA of at least 2048 bits, EC with P-256, P-384 " +
          "or P-521, or Ed25519",
      );
    }
    return found;
  }

  /** The CA certificates in a file, in PEM form. */
  authorities(file: OptionFile | undefined): string | undefined {
    if (file === undefined) return undefined;
    const authorities = this.#parse(file);
    // A bundle has CAs that have expired; the others still verify what they have signed.
    const ends = authorities.map(({ x509 }) => x509.validToDate.getTime());
    this.#file(file, [authorities[ends.indexOf(Math.max(...ends))]!]);
    return pemOf(authorities);
  }

  /** Records certificates whose expiry matters. */
  #file(file: OptionFile, certificates: readonly Certificate[]): void {
    this.certificates.push(...certificates.map((certificate) => ({ file, certificate })));
  }

  #parse(file: OptionFile): Certificate[] {
    const text = this.#texts.get(file)!;
    if (!text.includes("-----BEGIN CERTIFICATE-----")) {
      const [label] = /-----BEGIN [A-Z ]+-----/.exec(text) ?? [];
      throw invalid(
        file,
        `there is no certificate in it${label === undefined ? "" : `, but ${label}`}; expected ` +
          "PEM: text with -----BEGIN CERTIFICATE-----",
      );
    }
    try {
      return parseCertificates(text);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw invalid(file, `a certificate in it is malformed (${error.message}); replace it`);
    }
  }

  #key({ key: file, passphrase }: IdentityFiles, prefix: string) {
    const [pem, label] = KEY.exec(this.#texts.get(file)!) ?? [];
    if (pem === undefined) {
      throw invalid(
        file,
        "there is no private key in it; expected PEM: text with -----BEGIN PRIVATE KEY-----",
      );
    }
    this.#checkSecret(file);
    if (label !== "ENCRYPTED " && !pem.includes("Proc-Type: 4,ENCRYPTED")) {
      return createKey(file, () => createPrivateKey(pem));
    }
    if (passphrase === undefined) {
      throw invalid(
        file,
        `the key is encrypted; set --${prefix}-key-passphrase-file, or decrypt the key with ` +
          "openssl pkey",
      );
    }
    this.#checkSecret(passphrase);
    const text = secretIn(this.#texts.get(passphrase)!);
    if (text === "") throw invalid(passphrase, "the file is empty; expected a passphrase in it");
    return createKey(
      passphrase,
      () => createPrivateKey({ key: pem, passphrase: text }),
      `it does not decrypt the key in ${file.source} '${file.path}'`,
    );
  }

  #checkSecret({ path, source }: OptionFile): void {
    const warning = openSecretWarning(path, source);
    if (warning !== undefined) this.warnings.push(warning);
  }
}

function createKey(
  file: OptionFile,
  create: () => ReturnType<typeof createPrivateKey>,
  problem = "the private key in it is malformed, or of an unknown kind",
) {
  try {
    return create();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw invalid(file, `${problem} (${reason})`);
  }
}

/** A key in PEM form, not encrypted; "" if the runtime cannot export keys of this kind. */
function pkcs8Of(key: KeyObject): string {
  try {
    return key.export({ type: "pkcs8", format: "pem" }) as string;
  } catch {
    return "";
  }
}

function invalid({ source, path }: OptionFile, reason: string): OptionFileError {
  return new OptionFileError(`Cannot use ${source} '${path}': ${reason}`);
}

function pemOf(certificates: readonly Certificate[]): string {
  return certificates.map(({ x509 }) => x509.toString()).join("");
}

/** The subject of a certificate or, if that is empty, its names. */
export function nameOf({ x509 }: Certificate): string {
  return x509.subject?.replaceAll("\n", ", ") || x509.subjectAltName || "without a name";
}
