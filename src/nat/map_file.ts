import type { HostPort } from "../platform/address.ts";
import type { NatEntry } from "./nat_table.ts";
import type { PublicView, PublicViews } from "./public_view.ts";
import { byPort } from "./table_rows.ts";

/** The fields of a row that the map file is formatted from. */
export type MapNode = Omit<NatEntry, "busPort" | "peerPort">;

/** A change of the format that older readers would misread gets the next version. */
const VERSION = 1;

/**
 * Formats a map file: JSON with the public address of each node, in the order of ports, and with
 * the `natMap` option of ioredis, for each view. Nodes whose id is not known are left out. The same
 * nodes give the same text.
 */
export function formatMap(
  [first, ...others]: PublicViews,
  nodes: readonly MapNode[],
): string {
  const sorted = byPort(nodes.filter(({ id }) => id !== ""));
  const map = {
    version: VERSION,
    nodes: sorted.map(({ id, role, address, listenPort }) => ({
      id,
      role,
      private: { host: address.host, port: address.port },
      ...publicOf(first, listenPort),
      ...others.length > 0 && { views: inEach(others, (view) => publicOf(view, listenPort)) },
    })),
    ...ioredisOf(first, sorted),
    ...others.length > 0 && { views: inEach(others, (view) => ioredisOf(view, sorted)) },
  };
  return JSON.stringify(map, null, 2) + "\n";
}

/** A value for each view, by name. */
function inEach<T>(views: readonly PublicView[], valueOf: (view: PublicView) => T) {
  return Object.fromEntries(views.map((view) => [view.name, valueOf(view)]));
}

function ioredisOf(view: PublicView, nodes: readonly MapNode[]) {
  return { ioredis: { natMap: natMapOf(view, nodes) } };
}

/** The public address of a node, and its listener's port if that is another. */
function publicOf(view: PublicView, rowPort: number) {
  const port = view.publicPort(rowPort);
  const listenPort = view.listenPort(rowPort);
  return {
    public: { host: view.publicHost ?? null, port: port ?? null },
    ...port !== listenPort && { listenPort },
  };
}

/**
 * The option `natMap` of ioredis: every announced address, unless several nodes announce it, or its
 * public address is not known.
 */
function natMapOf(view: PublicView, nodes: readonly MapNode[]): Record<string, HostPort> {
  const ports = new Map<string, number | undefined>();
  for (const { announced, listenPort } of nodes) {
    for (const { host, port } of announced) {
      // As in ioredis (cluster/index.js `natMapper`): IPv6 has no brackets.
      const key = `${host}:${port}`;
      const isShared = ports.has(key) && ports.get(key) !== listenPort;
      ports.set(key, isShared ? undefined : listenPort);
    }
  }
  const natMap: Record<string, HostPort> = {};
  const { publicHost: host } = view;
  for (const [key, listenPort] of ports) {
    const port = listenPort === undefined ? undefined : view.publicPort(listenPort);
    if (host !== undefined && port !== undefined) natMap[key] = { host, port };
  }
  return natMap;
}
