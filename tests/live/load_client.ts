import { CLIENTS, untilAllFlow } from "./scene.ts";
import { Load } from "./load.ts";

/**
 * `load_client.ts CLIENT HOST PORT` writes to the whole cluster at an address with one of the real
 * clients. On SIGTERM it waits until all writers have writes acknowledged again, and prints what
 * `LoadReport` has, as JSON.
 */
export interface LoadReport {
  /** Every address of a node that the client has known, once a second, as `host:port`. */
  readonly addresses: readonly string[];
  readonly acknowledged: number;
  readonly longestGapMs: number;
  /** Writes that were never answered. */
  readonly hung: readonly string[];
  /** How often writes failed, by the beginning of the error. */
  readonly errors: Readonly<Record<string, number>>;
}

if (import.meta.main) {
  const [name, host, port] = Deno.args as [keyof typeof CLIENTS, string, string];
  const stopped = new Promise<void>((resolve) => Deno.addSignalListener("SIGTERM", resolve));
  const connect = CLIENTS[name];
  const client = await connect({ host, port: Number(port), protocol: 3, throughOutages: true });
  const startMs = performance.now();
  const load = new Load(name, client);
  const addresses = new Set<string>();
  const timer = setInterval(() => client.addresses.forEach((one) => addresses.add(one)), 1000);
  await untilAllFlow([load], startMs);
  console.log("It writes");
  await stopped;
  clearInterval(timer);
  await untilAllFlow([load], performance.now());
  await load.stop();
  const report: LoadReport = {
    addresses: [...addresses.union(new Set(client.addresses))],
    acknowledged: load.acknowledged,
    longestGapMs: load.longestGapMs(startMs),
    hung: load.hung,
    errors: Object.fromEntries(load.errors),
  };
  console.log(JSON.stringify(report));
  // Clients that have seen outages may keep timers.
  Deno.exit(0);
}
