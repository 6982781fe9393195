import { Cluster } from "ioredis";
import { join } from "node:path";
import { formatHostPort } from "../src/platform/address.ts";
import type { NatEntry } from "../src/nat/nat_table.ts";
import { ListenError } from "../src/proxy/listener.ts";
import { Proxy } from "../src/proxy/proxy.ts";
import { RedisCluster } from "./support/cluster.ts";
import { configOf } from "./support/proxy.ts";
import { until, within } from "./support/until.ts";

const NODE_COUNT = 6;

/** Where the README's examples look for the proxy. */
const FIRST_PORT = 8000;

/** Of all three shards, in the order of their slots. */
const CAPITALS = { lima: "Peru", oslo: "Norway", cairo: "Egypt" };

/** It takes a fraction of a second; the client by itself would try for ever. */
const PROOF_DEADLINE_MS = 10_000;

/** One or two attempts do; a server that is hard to kill must not keep the program. */
const SWEEP_DEADLINE_MS = 1000;

/** `deno task` passes on the Ctrl-C that the terminal has sent already, so that one comes twice. */
const ONE_PRESS_MS = 200;

async function main(): Promise<number> {
  const [unknown] = Deno.args.filter((argument) => argument !== "--once");
  if (unknown !== undefined) {
    console.error(`Cannot use '${unknown}': the demo takes nothing but --once`);
    return 2;
  }
  const stopping = untilStopped();
  const scratch = Deno.makeTempDirSync({ prefix: "redis-cluster-nat-demo-" });
  addEventListener("unload", () => sweep(scratch));
  try {
    const starting = start(scratch);
    await using running = await Promise.race([starting, stopping]);
    if (running === undefined) {
      await untilSweepable(starting, scratch);
      return 0;
    }
    const port = await Promise.race([show(running), stopping]);
    if (port === undefined || Deno.args.includes("--once")) return 0;
    print(`Try it, and end it with Ctrl-C:\n\n  redis-cli -c -p ${port}`);
    await stopping;
    return 0;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    console.error(
      reason.startsWith("No server was found")
        ? "The demo needs a Redis or Valkey server: apt-get install -y redis-server"
        : reason,
    );
    return 1;
  }
}

interface Running extends AsyncDisposable {
  readonly cluster: RedisCluster;
  readonly proxy: Proxy;
}

async function start(scratch: string): Promise<Running> {
  // The cluster makes its directory in here.
  Deno.env.set("TMPDIR", scratch);
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(scratch, { recursive: true }));
  const cluster = stack.use(await RedisCluster.start());
  const proxy = stack.adopt(await startProxy(cluster), (proxy) => proxy.stop());
  const owned = stack.move();
  return { cluster, proxy, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function startProxy(cluster: RedisCluster): Promise<Proxy> {
  const startAt = (port: number) => {
    const seeds = cluster.nodes.map(formatHostPort);
    const config = configOf([
      `--listen-addr=127.0.0.1:${port}`,
      `--cluster-addr=${seeds}`,
      `--max-nodes=${NODE_COUNT}`,
    ]);
    return Proxy.start(config, () => {});
  };
  try {
    return await startAt(FIRST_PORT);
  } catch (error) {
    if (!(error instanceof ListenError)) throw error;
    const lastPort = FIRST_PORT + NODE_COUNT - 1;
    print(`Ports ${FIRST_PORT} to ${lastPort} are not all free, so the proxy takes others.`);
    return await startAt(0);
  }
}

/** Prints the mapping and the proof, and gives the public port of the first node. */
async function show({ cluster, proxy }: Running): Promise<number> {
  const nodes = proxy.nodes.toSorted((a, b) => a.publicPort - b.publicPort);
  const first = nodes[0]!;
  printTable("A cluster of six nodes, and where the proxy makes them public:", [
    ["private", "", "public", "role"],
    ...nodes.map((node) => [
      formatHostPort(node.address),
      "->",
      publicAddress(node),
      cluster.nodes.find(({ id }) => id === node.id)!.role,
    ]),
  ]);
  const kept = await within("use the cluster", prove(first.publicPort), PROOF_DEADLINE_MS);
  printTable(
    `What a client that was told only ${publicAddress(first)} wrote and read back:`,
    kept.map(({ key, value, slot, at }) => [key, value, `slot ${slot}`, `at ${at}`]),
  );
  return first.publicPort;
}

interface Kept {
  readonly key: string;
  readonly value: string;
  readonly slot: number;
  /** The public address of the node that answered. */
  readonly at: string;
}

/** Keeps a value in each shard, with a client that knows nothing of the proxy. */
async function prove(port: number): Promise<Kept[]> {
  const client = new Cluster([{ host: "127.0.0.1", port }]);
  // Commands fail by themselves; without a listener the client prints its troubles as well.
  client.on("error", () => {});
  try {
    const kept: Kept[] = [];
    for (const [key, country] of Object.entries(CAPITALS)) {
      await client.set(key, country);
      const value = await client.get(key);
      if (value !== country) throw new Error(`Cannot read '${key}' back: it is ${value}`);
      const slot = await client.cluster("KEYSLOT", key);
      // The client asks the first of these, and puts it right when the cluster redirects it.
      kept.push({ key, value, slot, at: client.slots[slot]![0]! });
    }
    return kept;
  } finally {
    client.disconnect();
  }
}

/** Is settled by the first signal; the next one ends the program. */
function untilStopped(): Promise<undefined> {
  return new Promise((resolve) => {
    let firstAt: number | undefined;
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      Deno.addSignalListener(signal, () => {
        if (firstAt === undefined) {
          firstAt = performance.now();
          // On a line of its own, for a terminal has written ^C.
          print("\nStopping");
          resolve(undefined);
        } else if (performance.now() - firstAt > ONE_PRESS_MS) {
          Deno.exit(130);
        }
      });
    }
  });
}

/**
 * Waits until nothing of a start can escape `sweep`. A start cannot be called off: it fails soon,
 * because a terminal's Ctrl-C has ended its servers too, or goes on until all of them run.
 */
async function untilSweepable(starting: Promise<Running>, scratch: string): Promise<void> {
  let over = false;
  starting.then((running) => running[Symbol.asyncDispose]()).catch(() => {}).then(() =>
    over = true
  );
  await until("the start is over", () => over || findServers(scratch).length === NODE_COUNT);
}

/** Ends and removes at once what a start or a stop that was cut short has left. */
function sweep(scratch: string): void {
  const end = performance.now() + SWEEP_DEADLINE_MS;
  while (exists(scratch) && performance.now() < end) {
    try {
      findServers(scratch).forEach(kill);
      Deno.removeSync(scratch, { recursive: true });
    } catch {
      // Files come and go as long as a server lives: the next attempt will find it.
    }
  }
}

/** The process ids of the servers below a directory: their logs begin with them. */
function findServers(directory: string): number[] {
  return [...Deno.readDirSync(directory)].flatMap(({ name, isDirectory }) => {
    const path = join(directory, name);
    if (isDirectory) return findServers(path);
    if (!name.endsWith(".log")) return [];
    const [pid] = /^\d+(?=:)/.exec(Deno.readTextFileSync(path)) ?? [];
    return pid === undefined ? [] : [Number(pid)];
  });
}

function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

function publicAddress({ publicPort }: NatEntry): string {
  return `127.0.0.1:${publicPort}`;
}

function printTable(title: string, rows: string[][]): void {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) => row.map((cell, at) => cell.padEnd(widths[at]!)).join("  "));
  print([title, "", ...lines.map((line) => `  ${line}`.trimEnd()), ""].join("\n"));
}

function print(text: string): void {
  console.log(text);
}

if (import.meta.main) Deno.exit(await main());
