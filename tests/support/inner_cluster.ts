import { fileURLToPath } from "node:url";
import type { HostPort } from "../../src/platform/address.ts";
import { RedisCluster } from "./cluster.ts";
import type { Certificates } from "./cluster_tls.ts";
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
  /** Empty without TLS. */
  readonly files: Partial<Certificates["files"]>;
}

/** What the program inside gets. */
interface Order {
  readonly places: readonly HostPort[];
  readonly isTls: boolean;
}

/**
 * Starts a cluster in a namespace and waits until every node serves and knows all the others.
 *
 * @param hosts an address of the namespace for each node: three primaries, then their replicas
 * @param isTls whether the nodes speak TLS only
 */
export async function startInnerCluster(
  namespace: Namespace,
  hosts: readonly string[],
  isTls = false,
): Promise<InnerCluster> {
  const path = fileURLToPath(import.meta.url);
  await fetchModules(path);
  const nodes = hosts.map((host, index) => ({ host, port: FIRST_PORT + index }));
  const order: Order = { places: nodes, isTls };
  const { program, known } = await Program.start(
    [...namespace.before, Deno.execPath(), "run", "-A", path, JSON.stringify(order)],
    (stdout) => /^The cluster serves (.*)$/m.exec(stdout) ?? undefined,
    DEADLINE_MS,
  );
  return Object.assign(program, { nodes, files: JSON.parse(known[1]!) });
}

/** The program inside: a cluster until SIGTERM. */
if (import.meta.main) {
  const { places, isTls }: Order = JSON.parse(Deno.args[0]!);
  const stopped = new Promise<void>((resolve) => Deno.addSignalListener("SIGTERM", resolve));
  const replicasEach = places.length / PRIMARIES - 1;
  const options = { primaries: PRIMARIES, replicasEach, places };
  await using cluster = await RedisCluster.start({ ...options, ...isTls && { tls: "only" } });
  console.log(`The cluster serves ${JSON.stringify(isTls ? cluster.certificates.files : {})}`);
  await stopped;
}
