import { join } from "node:path";
import type { HostPort } from "../../src/platform/address.ts";
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
  const names = ["DNS:localhost", ...hosts.map((host) => `IP:${host}`)].join(",");
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"];
  const issue = (...words: string[]) => openssl(directory, ["req", "-x509", ...key, ...words]);
  await issue("-subj", "/CN=test CA", "-keyout", "ca.key", "-out", "ca.crt");
  await issue(
    ...["-subj", "/CN=node", "-keyout", "node.key", "-out", "node.crt"],
    ...["-CA", "ca.crt", "-CAkey", "ca.key"],
    ...["-addext", `subjectAltName=${names}`],
    ...["-addext", "basicConstraints=critical,CA:FALSE"],
    ...["-addext", "extendedKeyUsage=serverAuth,clientAuth"],
  );
  const files = {
    "tls-ca-cert-file": join(directory, "ca.crt"),
    "tls-cert-file": join(directory, "node.crt"),
    "tls-key-file": join(directory, "node.key"),
  };
  return {
    files,
    ca: await Deno.readTextFile(files["tls-ca-cert-file"]),
    cert: await Deno.readTextFile(files["tls-cert-file"]),
    key: await Deno.readTextFile(files["tls-key-file"]),
  };
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

async function openssl(directory: string, args: string[]): Promise<void> {
  const { code, stderr } = await new Deno.Command("openssl", { args, cwd: directory }).output();
  if (code !== 0) throw new Error(`openssl failed: ${new TextDecoder().decode(stderr)}`);
}
