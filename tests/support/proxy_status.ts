import { createViews } from "../../src/nat/public_view.ts";
import { SharedCounters } from "../../src/proxy/counters.ts";
import { Statistics } from "../../src/proxy/statistics.ts";
import { type ProxyStatus, statusOf, type StatusSources } from "../../src/proxy/status.ts";
import { TableScene } from "./views.ts";

/**
 * The status of a proxy on ports from 8000 on, in front of nodes in the form of `viewOf`.
 *
 * @param changes other sources of the status
 */
export function statusFor(
  lines: readonly string[],
  changes: Partial<StatusSources> = {},
): ProxyStatus {
  return statusOf({
    phase: "serving",
    obstacle: undefined,
    views: viewsFrom(),
    natTable: new TableScene().knowing(lines).natTable,
    discovery: { successes: 1, failures: 0, lastSuccessAtMs: 1, problem: undefined },
    sharedPorts: undefined,
    counters: new SharedCounters(),
    reports: [{ thread: 1, lagMs: 0, statistics: new Statistics(), problems: [] }],
    stateOf: () => undefined,
    ...changes,
  });
}

/** The same view, and one that is called `vpn` with ports from 7000 on. */
export function twoViews(): StatusSources["views"] {
  const listen = { host: "", port: 8000 };
  const vpn = { name: "vpn", listen: { host: "", port: 7000 }, publicHost: "vpn.example" };
  return createViews({ listen, publicHost: "nat.example", otherViews: [vpn] });
}

/** One view, whose ports from 8000 on are others for clients. */
export function viewsFrom(firstPublicPort?: number): StatusSources["views"] {
  const listen = { host: "", port: 8000 };
  return createViews({ listen, publicHost: "nat.example", firstPublicPort, otherViews: [] });
}
