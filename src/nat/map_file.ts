import type { HostPort } from "../platform/address.ts";
import type { NatEntry } from "./nat_table.ts";

/** The fields of a row that the map file is formatted from. */
export type MapNode = Omit<NatEntry, "busPort" | "peerPort">;

/** A change of the format that older readers would misread gets the next version. */
const VERSION = 1;

/**
 * Formats a map file: JSON with the public address of each node, in the order of public ports, and
 * with the `natMap` option of ioredis. The same nodes give the same text.
 */
export function formatMap(publicHost: string, nodes: readonly MapNode[]): string {
  const sorted = nodes.toSorted((a, b) => a.publicPort - b.publicPort);
  const map = {
    version: VERSION,
    nodes: sorted.map(({ id, role, address, publicPort }) => ({
      id,
      role,
      private: { host: address.host, port: address.port },
      public: { host: publicHost, port: publicPort },
    })),
    ioredis: { natMap: natMapOf(publicHost, sorted) },
  };
  return JSON.stringify(map, null, 2) + "\n";
}

/** The option `natMap` of ioredis: every announced address, unless several nodes announce it. */
function natMapOf(publicHost: string, nodes: readonly MapNode[]): Record<string, HostPort> {
  const ports = new Map<string, number | undefined>();
  for (const { announced, publicPort } of nodes) {
    for (const { host, port } of announced) {
      // As in ioredis (cluster/index.js `natMapper`): IPv6 has no brackets.
      const key = `${host}:${port}`;
      const isShared = ports.has(key) && ports.get(key) !== publicPort;
      ports.set(key, isShared ? undefined : publicPort);
    }
  }
  const natMap: Record<string, HostPort> = {};
  for (const [key, port] of ports) {
    if (port !== undefined) natMap[key] = { host: publicHost, port };
  }
  return natMap;
}
