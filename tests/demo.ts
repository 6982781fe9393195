import { Cluster } from "ioredis";
import { formatHostPort } from "../src/platform/address.ts";
import { ListenError } from "../src/proxy/listener.ts";
import { startProxy } from "../src/cli/start_proxy.ts";
import type { Proxy } from "../src/proxy/proxy.ts";
import { RedisCluster } from "./support/cluster.ts";
import { configOf } from "./support/proxy.ts";
import { runTask, UsageError } from "./support/task.ts";
import { within } from "./support/until.ts";

const NODE_COUNT = 6;

/** Where the README's examples look for the proxy. */
const FIRST_PORT = 8000;

/** One key in each shard, in the order of their slots. */
const CAPITALS = { lima: "Peru", oslo: "Norway", cairo: "Egypt" };

/** Takes a fraction of a second; the client would retry for ever. */
const PROOF_DEADLINE_MS = 10_000;

/** One Ctrl-C arrives twice: from the terminal and from `deno task`. */
const ONE_PRESS_MS = 200;

const USAGE = `Usage: deno task demo [--once]

Starts a cluster of six nodes and a proxy in front of it, and shows how a client uses them, until
Ctrl-C. --once ends after that.`;

async function main(): Promise<number> {
  const unknown = Deno.args.find((argument) => argument !== "--once");
  if (unknown !== undefined) {
    throw new UsageError(`Unknown argument '${unknown}'; the demo takes only --once`);
  }
  const cancelling = new AbortController();
  const stopping = untilStopped().then(() => {
    cancelling.abort();
    return undefined;
  });
  try {
    const starting = start(cancelling.signal);
    await using running = await Promise.race([starting, stopping]);
    if (!running) {
      await starting.then((running) => running[Symbol.asyncDispose](), () => {});
      return 0;
    }
    const port = await Promise.race([show(running), stopping]);
    if (!port || Deno.args.includes("--once")) return 0;
    console.log(`Try it, and end it with Ctrl-C:\n\n  redis-cli -c -p ${port}`);
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

async function start(signal: AbortSignal): Promise<Running> {
  await using stack = new AsyncDisposableStack();
  const cluster = stack.use(await RedisCluster.start({ signal }));
  const proxy = stack.adopt(await startProxyFor(cluster), (proxy) => proxy.stop());
  const owned = stack.move();
  return { cluster, proxy, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function startProxyFor(cluster: RedisCluster): Promise<Proxy> {
  const startAt = (port: number) => {
    const seeds = cluster.nodes.map(formatHostPort);
    const config = configOf([
      `--listen-addr=127.0.0.1:${port}`,
      `--cluster-addr=${seeds}`,
      `--max-nodes=${NODE_COUNT}`,
    ]);
    return startProxy(config, { announce() {} });
  };
  try {
    return await startAt(FIRST_PORT);
  } catch (error) {
    if (!(error instanceof ListenError)) throw error;
    const lastPort = FIRST_PORT + NODE_COUNT - 1;
    console.log(`Ports ${FIRST_PORT} to ${lastPort} are not all free, so the proxy takes others.`);
    return await startAt(0);
  }
}

/** Prints the mapping and the values, and returns the public port of the first node. */
async function show({ cluster, proxy }: Running): Promise<number> {
  const nodes = proxy.nodes.toSorted((a, b) => a.listenPort - b.listenPort);
  const first = nodes[0]!;
  printTable("A cluster of six nodes, and where the proxy makes them public:", [
    ["private", "", "public", "role"],
    ...nodes.map((node) => [
      formatHostPort(node.address),
      "->",
      `127.0.0.1:${node.listenPort}`,
      cluster.nodes.find(({ id }) => id === node.id)!.role,
    ]),
  ]);
  const kept = await within("use the cluster", prove(first.listenPort), PROOF_DEADLINE_MS);
  printTable(
    `What a client that was told only 127.0.0.1:${first.listenPort} wrote and read back:`,
    kept.map(({ key, value, slot, at }) => [key, value, `slot ${slot}`, `at ${at}`]),
  );
  return first.listenPort;
}

interface Kept {
  readonly key: string;
  readonly value: string;
  readonly slot: number;
  /** The public address of the node that answered. */
  readonly at: string;
}

/** Writes and reads a value in each shard with an ordinary cluster client. */
async function prove(port: number): Promise<Kept[]> {
  const client = new Cluster([{ host: "127.0.0.1", port }]);
  // Commands reject on their own; without a listener the client also prints its errors.
  client.on("error", () => {});
  try {
    const kept: Kept[] = [];
    for (const [key, country] of Object.entries(CAPITALS)) {
      await client.set(key, country);
      const value = await client.get(key);
      if (value !== country) throw new Error(`Cannot read '${key}' back: it is ${value}`);
      const slot = await client.cluster("KEYSLOT", key);
      // The client sends to the first of these, and updates it after a redirect.
      kept.push({ key, value, slot, at: client.slots[slot]![0]! });
    }
    return kept;
  } finally {
    client.disconnect();
  }
}

/** Resolves on the first signal; the next one ends the program. */
function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    let firstAt: number | undefined;
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      Deno.addSignalListener(signal, () => {
        if (firstAt === undefined) {
          firstAt = performance.now();
          // The terminal has printed ^C on this line.
          console.log("\nStopping");
          resolve();
        } else if (performance.now() - firstAt > ONE_PRESS_MS) {
          Deno.exit(130);
        }
      });
    }
  });
}

function printTable(title: string, rows: string[][]): void {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) => row.map((cell, at) => cell.padEnd(widths[at]!)).join("  "));
  console.log([title, "", ...lines.map((line) => `  ${line}`.trimEnd()), ""].join("\n"));
}

if (import.meta.main) await runTask(USAGE, main);
