import { fileURLToPath } from "node:url";
import project from "../../deno.json" with { type: "json" };
import { OPTIONS } from "../../src/cli/options.ts";
import { formatHostPort, type HostPort } from "../../src/platform/address.ts";
import { peakBytes, residentBytes } from "./processes.ts";
import { THREADS } from "./threads.ts";
import { until, within } from "./until.ts";

/** How the program is started. */
export interface NatOptions {
  /** Environment variables; no other option of the program is set. */
  env?: Readonly<Record<string, string>>;
  /** The words of a program that executes this one. */
  before?: readonly string[];
  /** Options of the runtime; those of the task `start` by default. */
  options?: readonly string[];
  /** A compiled program to start instead of the sources. */
  executable?: string | undefined;
}

/** The result of a program that has ended. */
export interface Ending {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The runtime options of the task `start`. */
export const START_OPTIONS = project.tasks.start.split(" ").slice(2, -1);

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** A busy machine may first have to strip the types of new sources. */
const DEADLINE_MS = 30_000;

/**
 * The program as a process:
 *
 *     await using nat = await new NatProcess([`--cluster-addr=${seed}`]).ready();
 *
 * Its output is collected; the process is killed when the block ends.
 */
export class NatProcess implements AsyncDisposable {
  #stdout = "";
  #stderr = "";
  readonly #process: Deno.ChildProcess;
  readonly #end: Promise<unknown>;
  #code: number | undefined;

  constructor(
    args: readonly string[],
    { env = {}, before = [], options = START_OPTIONS, executable }: NatOptions = {},
  ) {
    const started = executable === undefined
      ? [Deno.execPath(), "run", ...options, MAIN]
      : [executable];
    const [program, ...words] = [...before, ...started, ...args];
    this.#process = new Deno.Command(program!, {
      args: words,
      env: { ...foreignVariables(), THREADS: `${THREADS}`, ...env },
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#end = Promise.all([
      this.#process.status.then(({ code }) => this.#code = code),
      collect(this.#process.stdout, (text) => this.#stdout += text),
      collect(this.#process.stderr, (text) => this.#stderr += text),
    ]);
  }

  /** Starts the program in front of a node, on free ports of 127.0.0.1, and waits until it serves. */
  static serve(
    node: HostPort,
    flags: readonly string[] = [],
    options: NatOptions = {},
  ): Promise<NatProcess> {
    const addresses = [`--cluster-addr=${formatHostPort(node)}`, "--listen-addr=127.0.0.1:0"];
    return new NatProcess([...addresses, ...flags], options).ready();
  }

  /** Everything on stdout so far. */
  get stdout(): string {
    return this.#stdout;
  }

  /** Everything on stderr so far. */
  get stderr(): string {
    return this.#stderr;
  }

  /** The public ports printed so far, by private `host:port`. */
  get mapping(): ReadonlyMap<string, number> {
    const lines = this.#stdout.matchAll(/^Listening on: \S*:(\d+) proxy to: (\S+)$/gm);
    return new Map([...lines].map(([, port, address]) => [address!, Number(port)]));
  }

  /** The public port of a node. */
  portOf(node: HostPort): number {
    const port = this.mapping.get(formatHostPort(node));
    if (port === undefined) throw new RangeError(`No port for node ${formatHostPort(node)}`);
    return port;
  }

  /** Waits until it reports that it is ready and has printed the port of each node. */
  async ready(): Promise<this> {
    const [, nodes] = await this.untilLogged(/Ready: (\d+) nodes/);
    return await this.untilMapped(Number(nodes));
  }

  /** Waits until it has printed the ports of this number of nodes. */
  async untilMapped(nodes: number): Promise<this> {
    await this.#until(`prints ${nodes} ports`, () => this.mapping.size >= nodes);
    return this;
  }

  /** Waits until stderr matches a pattern, and returns the match. */
  untilLogged(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#until(`logs ${pattern}`, () => pattern.exec(this.#stderr));
  }

  /** The id of the process. */
  get pid(): number {
    return this.#process.pid;
  }

  /** The exit code, once the process has ended. */
  get code(): number | undefined {
    return this.#code;
  }

  /** The peak resident memory of the process, in bytes. Linux only. */
  peakBytes(): Promise<number> {
    return peakBytes(this.pid);
  }

  /** The resident memory of the process, in bytes. Linux only. */
  residentBytes(): Promise<number> {
    return residentBytes(this.pid);
  }

  /** The number of open file descriptors. Linux only. */
  get descriptors(): number {
    return [...Deno.readDirSync(`/proc/${this.#process.pid}/fd`)].length;
  }

  /** Sends a signal to the process. */
  signal(signal: Deno.Signal): void {
    this.#process.kill(signal);
  }

  /** Waits until it has ended. */
  async ended(): Promise<Ending> {
    await within("see the program end", this.#end, DEADLINE_MS);
    return { code: this.#code!, stdout: this.#stdout, stderr: this.#stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#code === undefined) this.#process.kill("SIGKILL");
    await this.#end;
  }

  async #until<T>(what: string, condition: () => T | null | false): Promise<T> {
    const outcome = await until(`the program ${what}`, (saw) => {
      saw(`${this.#stdout}${this.#stderr}`);
      const held = condition();
      return held ? { held } : this.#code !== undefined && { held };
    }, DEADLINE_MS);
    if (outcome.held) return outcome.held;
    throw new Error(`The program ended with the code ${this.#code}: ${this.#stderr}`);
  }
}

/** Runs the program to its end. */
export async function runNat(
  args: readonly string[],
  options: NatOptions = {},
): Promise<Ending> {
  await using nat = new NatProcess(args, options);
  return await nat.ended();
}

/** The environment without the options of the program. */
function foreignVariables(): Record<string, string> {
  const own = new Set(OPTIONS.map(({ env }) => env));
  return Object.fromEntries(Object.entries(Deno.env.toObject()).filter(([name]) => !own.has(name)));
}

async function collect(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  take: (text: string) => void,
): Promise<void> {
  for await (const text of stream.pipeThrough(new TextDecoderStream())) take(text);
}
