import { join } from "node:path";
import { AUTHORITY } from "./tls.ts";

/** The certificate of a cluster's nodes and clients, and its issuer. */
export interface Certificates {
  /** The files, by the setting of nodes that names each. */
  readonly files: {
    readonly "tls-ca-cert-file": string;
    readonly "tls-cert-file": string;
    readonly "tls-key-file": string;
  };
  /** The certificate of the issuer, in PEM. */
  readonly ca: string;
  /** The certificate, for every address of the cluster, in PEM. */
  readonly cert: string;
  /** Its key, in PEM. */
  readonly key: string;
}

/** Beside the addresses of nodes: names of one, and the announced names of all in live tests. */
const NAMES = ["localhost", "127.0.0.1", "*.nodes.internal"];

/** Makes the certificates of a cluster, as files in a directory. */
export async function makeCertificates(
  directory: string,
  hosts: readonly string[],
): Promise<Certificates> {
  const { certificates: cert, key } = AUTHORITY.issue({ names: [...NAMES, ...hosts] }).identity;
  const texts = { "tls-ca-cert-file": AUTHORITY.pem, "tls-cert-file": cert, "tls-key-file": key };
  const write = async (name: keyof typeof texts) => {
    const path = join(directory, `${name}.pem`);
    await Deno.writeTextFile(path, texts[name]);
    return path;
  };
  const files = {
    "tls-ca-cert-file": await write("tls-ca-cert-file"),
    "tls-cert-file": await write("tls-cert-file"),
    "tls-key-file": await write("tls-key-file"),
  };
  return { files, ca: AUTHORITY.pem, cert, key };
}

/** The options of a proxy at 127.0.0.1 for TLS to clients, which must show a certificate. */
export function publicFlags({ files }: Certificates): string[] {
  return [
    `--tls-cert-file=${files["tls-cert-file"]}`,
    `--tls-key-file=${files["tls-key-file"]}`,
    `--tls-ca-cert-file=${files["tls-ca-cert-file"]}`,
  ];
}

/** The options of a proxy for TLS to nodes. */
export function nodeFlags({ files }: Certificates): string[] {
  return [
    "--cluster-tls",
    `--cluster-tls-cert-file=${files["tls-cert-file"]}`,
    `--cluster-tls-key-file=${files["tls-key-file"]}`,
    `--cluster-tls-ca-cert-file=${files["tls-ca-cert-file"]}`,
  ];
}
