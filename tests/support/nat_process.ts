import { assert } from "@std/assert";
import { fileURLToPath } from "node:url";
import project from "../../deno.json" with { type: "json" };
import { formatHostPort, type HostPort } from "../../src/platform/address.ts";
import { memoryBytes } from "./processes.ts";
import { type Ending, Program, type ProgramOptions } from "./program.ts";
import { THREADS } from "./threads.ts";
import { TLS_GROWTH_BYTES, TLS_VARIABLES } from "./tls.ts";
import { WireClient } from "./wire.ts";

/** How the program is started. */
export interface NatOptions extends ProgramOptions {
  /** The words of a program that executes this one. */
  before?: readonly string[];
  /** Options of the runtime; those of the task `start` by default. */
  options?: readonly string[];
  /** A compiled program to start instead of the sources. */
  executable?: string | undefined;
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
 */
export class NatProcess extends Program {
  constructor(
    args: readonly string[],
    { env, before = [], options = START_OPTIONS, executable, ...more }: NatOptions = {},
  ) {
    const started = executable === undefined
      ? [Deno.execPath(), "run", ...options, MAIN]
      : [executable];
    super([...before, ...started, ...args], {
      ...more,
      env: { THREADS: `${THREADS}`, ...TLS_VARIABLES, ...env },
    });
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

  /** The same with all loaded that a first client needs. */
  static async serveWarm(node: HostPort, flags: readonly string[] = []): Promise<NatProcess> {
    const nat = await NatProcess.serve(node, flags);
    using client = await WireClient.connect("127.0.0.1", nat.portOf(node));
    for (const listing of ["NODES", "SLOTS"]) await client.ask("CLUSTER", listing);
    return nat;
  }

  /** The ports printed so far, by private `host:port`. */
  get mapping(): ReadonlyMap<string, number> {
    // With several views, the first one counts.
    const lines = this.stdout.matchAll(
      /^Listening on: \S*:(\d+) proxy to: (\S+)(?: view: default)?$/gm,
    );
    return new Map([...lines].map(([, port, address]) => [address!, Number(port)]));
  }

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
    await this.until(`prints ${nodes} ports`, () => this.mapping.size >= nodes, DEADLINE_MS);
    return this;
  }

  /** Waits until stderr matches a pattern, and returns the match. */
  untilLogged(pattern: RegExp): Promise<RegExpExecArray> {
    return this.until(`logs ${pattern}`, () => pattern.exec(this.stderr), DEADLINE_MS);
  }

  /** The peak resident memory of the process, in bytes. Linux only. */
  peakBytes(): Promise<number> {
    return memoryBytes(this.pid, "VmHWM");
  }

  /** Waits until it has ended in order: with the exit status 0, and without a warning. */
  async endedInOrder(): Promise<void> {
    const { code, stderr } = await this.ended();
    assert(code === 0 && !/ (WARN|ERR)/.test(stderr), `The exit status ${code}, and ${stderr}`);
  }

  /**
   * Checks that the peak has grown by less than a limit since it was `beforeBytes`, and what TLS
   * adds. Linux only.
   */
  async assertGrewLess(limitBytes: number, beforeBytes: number): Promise<void> {
    const grownBytes = await this.peakBytes() - beforeBytes;
    const grownMib = (grownBytes / 2 ** 20).toFixed(1);
    assert(grownBytes < limitBytes + TLS_GROWTH_BYTES, `The program grew by ${grownMib} MiB`);
  }

  /** The resident memory of the process, in bytes. Linux only. */
  residentBytes(): Promise<number> {
    return memoryBytes(this.pid, "VmRSS");
  }

  /** The number of open file descriptors. Linux only. */
  get descriptors(): number {
    return [...Deno.readDirSync(`/proc/${this.pid}/fd`)].length;
  }
}

/** Runs the program to its end. */
export async function runNat(args: readonly string[], options: NatOptions = {}): Promise<Ending> {
  await using nat = new NatProcess(args, options);
  return await nat.ended(DEADLINE_MS);
}
