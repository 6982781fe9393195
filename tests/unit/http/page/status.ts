import type { PageNode, PageStatus } from "../../../../src/http/page/page_status.ts";

const NOW_MS = Date.UTC(2026, 10, 29, 22, 31, 5);
const HOUR_MS = 3_600_000;

/** A node of the page as it is most of the time. */
export function pageNode(port: number, changes: Partial<PageNode> = {}): PageNode {
  return {
    id: `${port}`.padStart(40, "a"),
    port,
    name: `${port}`,
    addresses: [{ view: undefined, address: `redis.example.com:${port}` }],
    privateAddress: `172.23.0.${port - 7998}:${port - 1000}`,
    hostname: undefined,
    role: "primary",
    primary: undefined,
    slots: [],
    state: { status: "up", sinceMs: NOW_MS - 2 * HOUR_MS },
    clients: 3,
    traffic: { fromClients: 1024, toClients: 2048, history: [0, 3072] },
    connectMs: 0.41,
    ...changes,
  };
}

/** The status of a proxy without problems in front of a primary and its replica. */
export function pageStatus(changes: Partial<PageStatus> = {}): PageStatus {
  return {
    version: "1.2.3",
    phase: "serving",
    obstacle: undefined,
    nowMs: NOW_MS,
    startedAtMs: NOW_MS - 2 * HOUR_MS,
    name: "redis.example.com",
    nodes: [
      pageNode(8000, { slots: [{ first: 0, last: 16383 }] }),
      pageNode(8001, { role: "replica", primary: { port: 8000, name: "8000" } }),
    ],
    uncovered: [],
    discovery: { answeredAtMs: NOW_MS - 3000, intervalMs: 10_000, failure: undefined },
    clients: { used: 6, limit: Infinity },
    captured: { used: 0, limit: 64 * 1024 * 1024 },
    acceptFails: false,
    withoutPort: undefined,
    unknownPorts: [],
    sharingFailure: undefined,
    warnings: [],
    certificates: [],
    settings: [{ flag: "--threads", value: "1", isDefault: true }],
    ...changes,
  };
}
