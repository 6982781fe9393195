import { fileURLToPath } from "node:url";
import type { HostPort } from "../../src/platform/address.ts";
import type { ConnectOptions } from "../integration/clients/client.ts";
import { Program } from "../support/program.ts";
import { CLIENT_TLS, TLS } from "../support/tls.ts";
import type { LoadReport } from "./load_client.ts";
import type { CLIENTS } from "./scene.ts";

/** The program, for `fetchModules`. */
export const LOAD_CLIENT = fileURLToPath(new URL("load_client.ts", import.meta.url));

/** A node timeout and an election, and the start of a program on a busy machine. */
const DEADLINE_MS = 60_000;

/** Which client writes, and from where. */
export interface LoadPlace {
  readonly kind: keyof typeof CLIENTS;
  /** The words before a command line that runs where the client is. */
  readonly before?: readonly string[];
  /** Whether it connects to the nodes themselves, instead of a proxy. */
  readonly isInside?: boolean;
}

/** A `Load` with a process of its own, which can be on another machine than the test. */
export class LoadProcess implements AsyncDisposable {
  readonly name: string;
  readonly #program: Program;

  private constructor(name: string, program: Program) {
    this.name = name;
    this.#program = program;
  }

  /** Starts to write; resolves when all writers have had writes acknowledged. */
  static async start(
    name: string,
    seeds: readonly HostPort[],
    { kind, before = [], isInside = false }: LoadPlace,
  ): Promise<LoadProcess> {
    const [seed, ...otherSeeds] = seeds as [HostPort, ...HostPort[]];
    const options: ConnectOptions = {
      ...{ ...seed, otherSeeds, isInside, protocol: 3, throughOutages: true },
      ...TLS[isInside ? "nodes" : "clients"] && { tls: CLIENT_TLS },
    };
    const words = ["run", "-A", LOAD_CLIENT, name, kind, JSON.stringify(options)];
    const program = new Program([...before, Deno.execPath(), ...words]);
    const load = new LoadProcess(name, program);
    try {
      await program.until("writes", () => load.flowsSince(-Infinity), DEADLINE_MS);
    } catch (error) {
      await program.kill();
      throw error;
    }
    return load;
  }

  /** Whether each writer has had a write acknowledged since a time on the monotonic clock. */
  flowsSince(ms: number): boolean {
    const { stdout } = this.#program;
    const end = stdout.lastIndexOf("\n");
    const line = stdout.slice(stdout.lastIndexOf("\n", end - 1) + 1, Math.max(end, 0));
    return line !== "" && Number(line) > performance.timeOrigin + ms;
  }

  /** Stops, and waits until all writes are answered or given up. */
  async stop(): Promise<LoadReport> {
    if (this.#program.code === undefined) this.#program.signal("SIGTERM");
    const { code, stdout, stderr } = await this.#program.ended(DEADLINE_MS);
    if (code !== 0) throw new Error(`${this.name} has ended with the code ${code}: ${stderr}`);
    return JSON.parse(stdout.trimEnd().split("\n").at(-1)!);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#program.kill();
  }
}
