import type { ConnectOptions } from "../integration/clients/client.ts";
import { Load, type Written } from "./load.ts";
import { CLIENTS, untilAllFlow } from "./scene.ts";

/** How often the program prints a time. */
const PERIOD_MS = 25;

/** What `LoadProcess` gets in the end. */
export interface LoadReport {
  /** Every address of a node that the client has known, once a second, as `host:port`. */
  readonly addresses: readonly string[];
  readonly acknowledged: number;
  readonly written: readonly Written[];
  readonly longestGapMs: number;
  /** Whether all writers had writes acknowledged in the end. */
  readonly flows: boolean;
  /** Writes that were never answered. */
  readonly hung: readonly string[];
  /** How often writes failed, by the beginning of the error. */
  readonly errors: Readonly<Record<string, number>>;
}

/**
 * `load_client.ts NAME CLIENT OPTIONS` writes to the whole cluster with one of the real clients,
 * whose options are JSON. Prints the time since which every writer has had a write acknowledged, in
 * ms of the Unix epoch. On SIGTERM it waits until all have again, and prints a `LoadReport` as JSON.
 */
if (import.meta.main) {
  const [name, kind, json] = Deno.args as [string, keyof typeof CLIENTS, string];
  const options: ConnectOptions = JSON.parse(json);
  // ioredis 6.0.0 does not handle the outcome of its own ASKING (cluster/index.js `tryConnection`),
  // which fails if the connection ends before the reply.
  globalThis.addEventListener("unhandledrejection", (event) => {
    if (event.reason instanceof Error && event.reason.message === "Connection is closed.") {
      event.preventDefault();
    }
  });
  const stopped = new Promise<void>((resolve) => Deno.addSignalListener("SIGTERM", resolve));
  const client = await CLIENTS[kind](options);
  const startMs = performance.now();
  const load = new Load(name, client);
  const addresses = new Set<string>();
  const timers = [
    setInterval(() => client.addresses.forEach((one) => addresses.add(one)), 1000),
    setInterval(() => console.log(performance.timeOrigin + load.allFlowSinceMs), PERIOD_MS),
  ];
  await stopped;
  timers.forEach(clearInterval);
  const flows = await untilAllFlow([load], performance.now()).then(() => true, () => false);
  // A client that has given up on a node may keep a write for ever.
  if (!flows) client.leave();
  await load.stop();
  const report: LoadReport = {
    addresses: [...addresses.union(new Set(client.addresses))],
    acknowledged: load.acknowledged,
    written: load.written,
    longestGapMs: load.longestGapMs(startMs),
    flows,
    hung: load.hung,
    errors: Object.fromEntries(load.errors),
  };
  console.log(JSON.stringify(report));
  // Clients that have seen outages may keep timers.
  Deno.exit(0);
}
