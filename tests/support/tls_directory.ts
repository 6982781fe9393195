import { serverFiles, type TlsFiles } from "../../src/tls/tls_files.ts";
import type { ServerMaterial } from "../../src/tls/material.ts";
import { type CertificateOptions, TestCertificate } from "./certificate.ts";
import { TemporaryDirectory } from "./temporary.ts";

/** A directory with a CA in `ca.crt`, and certificates and keys. */
export class TlsDirectory implements AsyncDisposable {
  readonly #directory: TemporaryDirectory;
  readonly #ca: TestCertificate;

  private constructor(directory: TemporaryDirectory, ca: TestCertificate) {
    this.#directory = directory;
    this.#ca = ca;
    this.write("ca.crt", ca.pem);
  }

  /**
   * Makes one.
   *
   * @param names certificates to issue
   */
  static async create(...names: string[]): Promise<TlsDirectory> {
    const directory = await TemporaryDirectory.create();
    const made = new TlsDirectory(directory, TestCertificate.root({ subject: "test CA" }));
    for (const name of names) made.issue(name);
    return made;
  }

  /** The path of a file in it. */
  at(name: string): string {
    return this.#directory.at(name);
  }

  /** Issues a certificate whose subject is NAME, as NAME.crt and NAME.key. */
  issue(name: string, options: CertificateOptions = {}): void {
    const names = ["localhost", "127.0.0.1"];
    const { certificates, key } = this.#ca.issue({ subject: name, names, ...options }).identity;
    this.write(`${name}.crt`, certificates);
    this.write(`${name}.key`, key);
  }

  /** The text of files in it, one after the other. */
  read(...names: string[]): string {
    return names.map((name) => Deno.readTextFileSync(this.at(name))).join("");
  }

  /** Writes a file in it that only its owner can read, and returns its path. */
  write(name: string, content: string | Uint8Array): string {
    const path = this.at(name);
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    Deno.writeFileSync(path, bytes, { mode: 0o600 });
    return path;
  }

  /** How the program reads NAME.crt and NAME.key. */
  serverFiles(
    name: string,
    publicHost = "localhost",
    publicIp?: string,
  ): TlsFiles<ServerMaterial> {
    return serverFiles(
      {
        identity: {
          certificates: { path: this.at(`${name}.crt`), source: "--tls-cert-file" },
          key: { path: this.at(`${name}.key`), source: "--tls-key-file" },
          passphrase: undefined,
        },
        clientCa: undefined,
        clientAuth: "no",
        minVersion: "TLSv1.2",
      },
      [
        { host: publicHost, kind: "host", option: "--public-host" },
        ...publicIp === undefined
          ? []
          : [{ host: publicIp, kind: "IP address", option: "--public-ip" } as const],
      ],
    );
  }

  /** The options of a proxy that speaks TLS to clients with NAME.crt and NAME.key. */
  flags(name: string): string[] {
    return [
      `--tls-cert-file=${this.at(`${name}.crt`)}`,
      `--tls-key-file=${this.at(`${name}.key`)}`,
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#directory[Symbol.asyncDispose]();
  }
}
