import { fileURLToPath } from "node:url";
import type { HostPort } from "../../src/platform/address.ts";
import { RedisCluster } from "./cluster.ts";
import { fetchModules, type Namespace } from "./namespace.ts";
import { Program } from "./program.ts";

/** Twice the deadline for a cluster to form, which reports what is missing. */
const DEADLINE_MS = 60_000;

const PRIMARIES = 3;

/** As in the documents; all ports of a namespace are free. */
const FIRST_PORT = 7000;

/** A real cluster in a namespace. */
export interface InnerCluster extends AsyncDisposable {
  readonly nodes: readonly HostPort[];
}

/**
 * Starts a cluster in a namespace and waits until every node serves and knows all the others.
 *
 * @param hosts an address of the namespace for each node: three primaries, then their replicas
 */
export async function startInnerCluster(
  namespace: Namespace,
  hosts: readonly string[],
): Promise<InnerCluster> {
  const path = fileURLToPath(import.meta.url);
  await fetchModules(path);
  const nodes = hosts.map((host, index) => ({ host, port: FIRST_PORT + index }));
  const { program } = await Program.start(
    [...namespace.before, Deno.execPath(), "run", "-A", path, JSON.stringify(nodes)],
    (stdout) => stdout.includes("serves") || undefined,
    DEADLINE_MS,
  );
  return Object.assign(program, { nodes });
}

/** The program inside: a cluster until SIGTERM. */
if (import.meta.main) {
  const places: HostPort[] = JSON.parse(Deno.args[0]!);
  const stopped = new Promise<void>((resolve) => Deno.addSignalListener("SIGTERM", resolve));
  const replicasEach = places.length / PRIMARIES - 1;
  await using _cluster = await RedisCluster.start({ primaries: PRIMARIES, replicasEach, places });
  console.log("The cluster serves");
  await stopped;
}
