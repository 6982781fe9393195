import { createViews, DEFAULT_VIEW } from "../../src/nat/public_view.ts";
import type { PageProgram } from "../../src/http/page/describe.ts";
import { type PortStatistics, Statistics } from "../../src/proxy/statistics.ts";
import type { NodeStatus, ProxyStatus } from "../../src/proxy/status.ts";
import { statusFor } from "./proxy_status.ts";

/** A program whose status is shown. */
export const PROGRAM: PageProgram = {
  about: { version: "1.2.3", commit: "abc" },
  startedAtMs: 0,
  options: {
    listen: { host: "", port: 8000 },
    publicHost: "redis.example.com",
    firstPublicPort: 9000,
    otherViews: [],
    maxConnections: Infinity,
    captureLimitBytes: 1024,
    refreshIntervalMs: 10_000,
  },
  settings: [],
  certificates: [],
};

/** The status of a node, and what was counted at its port. */
export function nodeStatus(port: number, counted: Partial<PortStatistics> = {}): NodeStatus {
  const statistics = new Statistics().at({ view: DEFAULT_VIEW, port });
  return {
    id: `id${port}`,
    role: "primary",
    primaryId: undefined,
    slots: [],
    address: { host: "172.23.0.2", port: port - 1000 },
    listenPort: port,
    state: "up",
    sinceMs: 0,
    ports: [Object.assign(statistics, counted)],
  };
}

/** The status of the proxy of this program, with some nodes. */
export function statusWith(...nodes: NodeStatus[]): ProxyStatus {
  const status = statusFor(["a 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-16383"]);
  return { ...status, views: createViews(PROGRAM.options), nodes };
}
