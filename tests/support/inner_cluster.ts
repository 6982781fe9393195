import { fileURLToPath } from "node:url";
import type { HostPort } from "../../src/platform/address.ts";
import { fetchModules, type Namespace } from "./namespace.ts";
import { Program } from "./program.ts";

/** Twice the deadline for a cluster to form, which reports what is missing. */
const DEADLINE_MS = 60_000;

const PROGRAM = fileURLToPath(new URL("./inner_cluster_program.ts", import.meta.url));

/** A real cluster in a namespace. */
export class InnerCluster implements AsyncDisposable {
  readonly #program: Program;
  /** Three primaries, then a replica of each. */
  readonly nodes: readonly HostPort[];

  private constructor(program: Program, nodes: readonly HostPort[]) {
    this.#program = program;
    this.nodes = nodes;
  }

  /**
   * Starts a cluster and waits until every node serves and knows all the others.
   *
   * @param addresses one of the namespace for each of the six nodes
   */
  static async start(
    namespace: Namespace,
    addresses: readonly string[],
  ): Promise<InnerCluster> {
    await fetchModules(PROGRAM);
    const { program, known } = await Program.start(
      [...namespace.before, Deno.execPath(), "run", "-A", PROGRAM, ...addresses],
      (stdout) => readNodes(stdout, addresses.length),
      DEADLINE_MS,
    );
    return new InnerCluster(program, known);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#program[Symbol.asyncDispose]();
  }
}

function readNodes(stdout: string, count: number): HostPort[] | undefined {
  const nodes = [...stdout.matchAll(/^(\S+) (\d+)\n/gm)].map(([, host, port]) => ({
    host: host!,
    port: Number(port),
  }));
  return nodes.length === count ? nodes : undefined;
}
