import { fieldOf, itemsOf, textOf, type Value } from "../resp/frame.ts";
import type { ClusterNode } from "./node.ts";

/** The client ports of a node; undefined for one that it does not have, or does not report. */
export interface NodePorts {
  readonly plain: number | undefined;
  readonly tls: number | undefined;
}

/**
 * Reads the ports of each node from CLUSTER SHARDS (7.0), by node id. All other replies have one
 * port for each node: that for the kind of connection on which they are sent.
 */
export function portsOf(shards: Value): Map<string, NodePorts> {
  const ports = new Map<string, NodePorts>();
  for (const shard of itemsOf(shards) ?? []) {
    for (const node of itemsOf(fieldOf(shard, "nodes")) ?? []) {
      const id = textOf(fieldOf(node, "id"));
      const [plain, tls] = ["port", "tls-port"].map((name) => Number(textOf(fieldOf(node, name))));
      if (id !== undefined) ports.set(id, { plain: plain || undefined, tls: tls || undefined });
    }
  }
  return ports;
}

/**
 * The nodes of a view with port 0 for those that have no port for plain text, if the query was sent
 * in plain text. Since 7.2 servers list them so; 7.0 lists them with their TLS port (cluster.c
 * `clusterGenNodeDescription`), where every connection in plain text would fail.
 */
export function withoutTlsPorts(
  nodes: readonly ClusterNode[],
  answeredBy: ClusterNode,
  ports: ReadonlyMap<string, NodePorts>,
): readonly ClusterNode[] {
  // The own line shows on which kind of connection the query arrived.
  if (answeredBy.port === 0 || ports.get(answeredBy.id)?.plain !== answeredBy.port) return nodes;
  return nodes.map((node) => {
    const { plain, tls } = ports.get(node.id) ?? {};
    return plain === undefined && tls === node.port ? { ...node, port: 0 } : node;
  });
}

/** Without a setting of its own, the bus listens this far above the client port. */
export const BUS_OFFSET = 10_000;

/**
 * The port that other nodes use for a node, in CLUSTER MEET and MIGRATE: that for TLS if
 * `tls-cluster` is on. Undefined if it is the one in the node's line, or unknown. The bus port is
 * derived from the same port (cluster.c `deriveAnnouncedPorts`), unless it is set.
 */
export function peerPortOf(
  { port, busPort }: ClusterNode,
  { plain, tls }: Partial<NodePorts> = {},
): number | undefined {
  const base = busPort === undefined ? undefined : busPort - BUS_OFFSET;
  return base !== port && base !== undefined && (base === plain || base === tls) ? base : undefined;
}
