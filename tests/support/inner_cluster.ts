import { fileURLToPath } from "node:url";
import { type ClusterOptions, RedisCluster } from "./cluster.ts";
import type { Place } from "./cluster_places.ts";
import type { Certificates } from "./cluster_tls.ts";
import { fetchModules, type Namespace } from "./namespace.ts";
import { Program } from "./program.ts";

/** Twice the deadline for a cluster to form, which reports what is missing. */
const DEADLINE_MS = 60_000;

const PRIMARIES = 3;

/** As in the documents; all ports of a namespace are free. */
const FIRST_PORT = 7000;

/** The ports for TLS follow these. */
const FIRST_TLS_PORT = 7100;

/** A real cluster in a namespace. */
export interface InnerCluster extends AsyncDisposable {
  /** A node has a `tlsPort` if it has a port for TLS besides the other one. */
  readonly nodes: readonly Place[];
  /** The files with certificates; undefined without TLS. */
  readonly files: Certificates["files"] | undefined;
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
  options: Pick<ClusterOptions, "directives" | "tls"> = {},
): Promise<InnerCluster> {
  const path = fileURLToPath(import.meta.url);
  await fetchModules(path);
  const nodes = hosts.map((host, index): Place => ({
    host,
    port: FIRST_PORT + index,
    ...options.tls === "both" && { tlsPort: FIRST_TLS_PORT + index },
  }));
  const words = ["run", "-A", path, JSON.stringify({ ...options, places: nodes })];
  const { program, known } = await Program.start(
    [...namespace.before, Deno.execPath(), ...words],
    (stdout) => /^The cluster serves (.*)\n$/m.exec(stdout)?.[1],
    DEADLINE_MS,
  );
  return Object.assign(program, { nodes, files: JSON.parse(known) ?? undefined });
}

/** The program inside: a cluster until SIGTERM. */
if (import.meta.main) {
  const options: Required<Pick<ClusterOptions, "places" | "tls">> = JSON.parse(Deno.args[0]!);
  const stopped = new Promise<void>((resolve) => Deno.addSignalListener("SIGTERM", resolve));
  const replicasEach = options.places.length / PRIMARIES - 1;
  await using cluster = await RedisCluster.start({
    primaries: PRIMARIES,
    replicasEach,
    ...options,
  });
  const files = options.tls === undefined ? null : cluster.certificates.files;
  console.log(`The cluster serves ${JSON.stringify(files)}`);
  await stopped;
}
