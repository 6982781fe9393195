import { type HostPort, splitAddress } from "../../src/platform/address.ts";
import { until } from "./until.ts";

/** A running `openssl s_client` or `s_server`, which ends with its block. */
export class Openssl implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #done: Promise<unknown>;
  #output = "";

  private constructor(args: readonly string[], directory: string) {
    this.#process = new Deno.Command("openssl", {
      args: [...args],
      cwd: directory,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = this.#process.stdin.getWriter();
    const { stdout, stderr, status } = this.#process;
    this.#done = Promise.all([this.#collect(stdout), this.#collect(stderr), status]);
  }

  /** Connects to an address. */
  static client({ host, port }: HostPort, args: readonly string[], directory: string): Openssl {
    return new Openssl(["s_client", "-connect", `${host}:${port}`, ...args], directory);
  }

  /** Listens on a free port for one connection. */
  static server(args: readonly string[], directory: string): Openssl {
    return new Openssl(["s_server", "-accept", "127.0.0.1:0", "-naccept", "1", ...args], directory);
  }

  /** What it has printed so far, errors included. */
  get output(): string {
    return this.#output;
  }

  /** The address at which a server listens. */
  async address(): Promise<HostPort> {
    const match = await this.saw(/^ACCEPT (.*)$/m);
    return splitAddress(match[1]!)!;
  }

  /** Waits until it prints something. */
  async saw(text: RegExp): Promise<RegExpExecArray> {
    return await until(`openssl prints ${text}`, (saw) => {
      saw(this.#output.slice(-500));
      return text.exec(this.#output);
    });
  }

  /** Sends a line, or a command of one letter: K is a key update that wants another. */
  async send(line: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${line}\n`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch (error) {
      // It has ended itself.
      if (!(error instanceof TypeError)) throw error;
    }
    await this.#input.close().catch(() => {});
    await this.#done;
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) this.#output += text;
  }
}
