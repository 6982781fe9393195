import { join } from "node:path";
import type { HostPort } from "../../src/platform/address.ts";
import { TestCertificate } from "./certificate.ts";
import type { WireConnection } from "./wire.ts";

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

/** Makes the certificates of a cluster, as files in a directory. */
export async function makeCertificates(
  directory: string,
  hosts: readonly string[],
): Promise<Certificates> {
  const root = TestCertificate.root();
  const { certificates: cert, key } = root.issue({ names: ["localhost", ...hosts] }).identity;
  const texts = { "tls-ca-cert-file": root.pem, "tls-cert-file": cert, "tls-key-file": key };
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
  return { files, ca: root.pem, cert, key };
}

/** Connects in TLS, with a client certificate; the server's is verified. */
export async function connectTls(
  { host, port }: HostPort,
  { ca, cert, key }: Certificates,
): Promise<WireConnection> {
  const conn = await Deno.connectTls({ hostname: host, port, caCerts: [ca], cert, key });
  return {
    read: (bytes) => conn.read(bytes),
    write: (bytes) => conn.write(bytes),
    closeWrite: () => conn.closeWrite(),
    close: () => conn.close(),
    // The runtime has no such method here. A test that sends twice in a row waits 40 ms.
    setNoDelay: () => {},
    localAddr: conn.localAddr,
  };
}
