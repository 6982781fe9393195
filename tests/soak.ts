/**
 * `deno task soak --minutes 60`: the program in front of a real cluster, under clients and faults of
 * all kinds. Between rounds, memory and file descriptors of the idle process are measured; they
 * must stay flat after the first rounds.
 */
import type { ClusterClient, Connect } from "./integration/clients/client.ts";
import { IoredisClient } from "./integration/clients/ioredis.ts";
import { NodeRedisClient } from "./integration/clients/node_redis.ts";
import { statusLine } from "../src/platform/status_line.ts";
import { untilReplaced } from "./live/changes.ts";
import { RedisCluster } from "./support/cluster.ts";
import { NatProcess } from "./support/nat_process.ts";
import { type Random, seededRandom } from "./support/random.ts";
import { integerOf, readArguments, runTask, UsageError } from "./support/task.ts";
import { CLIENT_TLS, TLS } from "./support/tls.ts";
import { until, within } from "./support/until.ts";
import { wire, WireClient } from "./support/wire.ts";

const AT = "127.0.0.1";

const MIB = 1024 * 1024;

/** Long enough for some faults, short enough for many measurements. */
const LONGEST_ROUND_MS = 60_000;

/** Enough to compare the first rounds with the last. */
const FEWEST_ROUNDS = 6;

/** The share of rounds in which the heap grows to the size that the load needs. */
const WARM_UP_SHARE = 1 / 3;

/**
 * Growth of idle memory because the allocator keeps the peak, such as after an outage. The read
 * buffers of all sessions of a minute would be more.
 */
const MEMORY_LIMIT_BYTES = 160 * MIB;

/** Noise of the live heap; one leaked session is some KiB. */
const HEAP_LIMIT_BYTES = 4 * MIB;

/** The line of --trace-gc with the live heap after a collection, in MB. */
const COLLECTION = / Mark-Compact.*? [\d.]+ \([\d.]+\) -> ([\d.]+) \(/g;

const REST_DEADLINE_MS = 30_000;

/** A client may keep a command over an outage, but not forever. */
const HANG_MS = 25_000;

/** The bounds of the time between two faults. */
const CALM_MS = { least: 500, most: 4_000 };

/** The pause after a failure, such as while a node is down. */
const RETRY_PAUSE_MS = 50;

/** How often the progress at a terminal changes. */
const SHOW_INTERVAL_MS = 1000;

/** Number of workers of each kind. */
const WORKERS_EACH = 3;

/** A private address leaked, which no fault excuses. */
class LeakError extends Error {
  override readonly name = "LeakError";
}

interface Place {
  readonly cluster: RedisCluster;
  readonly ports: readonly number[];
  readonly random: Random;
  /** Whether the round is over. */
  readonly over: () => boolean;
}

/** One visit of a client, which may fail because of a fault. */
type Visit = (client: WireClient, place: Place) => unknown;

function keyOf(random: Random): string {
  return `soak:${random.int(500)}`;
}

function connect({ ports, random }: Place): Promise<WireClient> {
  return WireClient.connect(AT, random.pick(ports));
}

function checked(frame: string, { cluster }: Place): string {
  if (frame.includes(cluster.network)) throw new LeakError(`A private address in ${frame}`);
  return frame;
}

/** Requests with one reply each. */
const REQUESTS: readonly ((random: Random) => string[])[] = [
  (random) => ["GET", keyOf(random)],
  (random) => ["SET", keyOf(random), "x".repeat(random.int(2000))],
  (random) => ["INCR", `{${keyOf(random)}}:count`],
  ...[
    ...["CLUSTER SLOTS", "CLUSTER NODES", "CLUSTER SHARDS", "INFO", "ROLE", "CLIENT INFO", "PING"],
    ...["READONLY", "MULTI", "EXEC", "HELLO 3", "HELLO 2", "AUTH x", "NOSUCH"],
  ].map((request) => () => request.split(" ")),
];

/** Without letters there is no command that would run. */
const GARBAGE = ["*", "$", "-", "1", "3", "\r\n", "\r", "\n", "\0", "\xff", ":", "'", " "];

const VISITS: Readonly<Record<string, Visit>> = {
  async "pipelines"(client, place) {
    const { random } = place;
    for (let batch = random.int(20); batch >= 0 && !place.over(); batch--) {
      const length = 1 + random.int(100);
      const requests = Array.from({ length }, () => wire(...random.pick(REQUESTS)(random)));
      await client.send(requests.join(""));
      for (const frame of await client.readFrames(length)) checked(frame, place);
    }
  },
  async "subscribes"(subscriber, place) {
    const { random } = place;
    using publisher = await connect(place);
    const channel = `channel:${random.int(10)}`;
    const hello = random.chance(0.5) ? wire("HELLO", "3") : "";
    await subscriber.send(hello + wire("SUBSCRIBE", channel));
    await subscriber.readUntil(":1\r\n");
    for (let index = random.int(30); index >= 0; index--) {
      await publisher.ask("PUBLISH", channel, `message ${index}`);
      await subscriber.readUntil(`message ${index}\r\n`);
    }
  },
  async "blocks"(client, place) {
    const { random } = place;
    await client.send(wire("BLPOP", keyOf(random) + ":none", `0.${1 + random.int(5)}`));
    if (random.chance(0.7)) checked((await client.readFrames(1))[0]!, place);
  },
  async "moves big values"(client, { random, cluster }) {
    const key = `big:${random.int(8)}`;
    const set = wire("SET", key, "x".repeat(random.int(4) * MIB + random.int(1000)));
    // The node must own the slot.
    const probe = await client.ask("SET", key, "");
    if (probe.type === "-") return;
    await client.send(set);
    await client.send(wire("GET", key) + wire("CLUSTER", "SLOTS"));
    if (random.chance(0.3)) return;
    for (const frame of await client.readFrames(3)) {
      if (frame.includes(cluster.network)) throw new LeakError("A private address by a big value");
    }
  },
  async "shuts its side"(client, place) {
    await client.send(wire("CLUSTER", "SLOTS").repeat(place.random.int(50)) + wire("GET", "key"));
    await client.closeWrite();
    checked(await client.readToEnd(), place);
  },
  async "leaves by a reset"(client, { random }) {
    // Unread bytes make the kernel send a reset.
    await client.send(wire("CLUSTER", "NODES").repeat(1 + random.int(200)));
    if (random.chance(0.5)) await client.readFrames(1);
  },
  async "leaves half a request"(client, { random }) {
    const text = wire("PING") + wire("SET", keyOf(random), "0123456789");
    await client.send(text.slice(0, random.int(text.length)));
    if (random.chance(0.5)) await client.closeWrite();
    if (random.chance(0.5)) await client.readToEnd(300);
  },
  async "sends garbage"(client, place) {
    const { random } = place;
    const bytes = Array.from({ length: random.int(300) }, () => random.pick(GARBAGE));
    await client.send(bytes.join(""));
    if (random.chance(0.5)) await client.closeWrite();
    checked(await client.readToEnd(300), place);
  },
  "connects and leaves"() {},
};

const CLIENTS: Readonly<Record<string, Connect>> = {
  "ioredis": IoredisClient.connect,
  "node-redis": NodeRedisClient.connect,
};

/** Counts successes and failures by what was tried. */
class Tally {
  readonly #counts = new Map<string, Use>();

  add(what: string, { done = 0, failed = 0 }: Partial<Use>): void {
    const before = this.#counts.get(what) ?? { done: 0, failed: 0 };
    this.#counts.set(what, { done: before.done + done, failed: before.failed + failed });
  }

  /** Whatever never succeeded. */
  get missing(): string[] {
    return [...this.#counts].filter(([, { done }]) => done === 0).map(([what]) => what);
  }

  toString(): string {
    return [...this.#counts].map(([what, { done, failed }]) => `  ${what}: ${done} + ${failed}`)
      .join("\n");
  }
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** Repeats a visit until the round is over. */
async function visitOften(name: string, place: Place, tally: Tally): Promise<void> {
  while (!place.over()) {
    try {
      using client = await connect(place);
      await VISITS[name]!(client, place);
      tally.add(name, { done: 1 });
    } catch (error) {
      if (error instanceof LeakError) throw error;
      tally.add(name, { failed: 1 });
      await pause(RETRY_PAUSE_MS);
    }
  }
}

/** How often something succeeded and failed. */
interface Use {
  readonly done: number;
  readonly failed: number;
}

/**
 * Uses one real client like an application until stdin ends, and prints the counts. It is a process
 * of its own because real clients leave connections behind if they are closed during an outage.
 */
async function beClient(
  name: string,
  { port, random, tls }: {
    readonly port: number;
    readonly random: Random;
    readonly tls: typeof CLIENT_TLS | undefined;
  },
): Promise<void> {
  const uses = { done: 0, failed: 0 };
  async function use(client: ClusterClient): Promise<never> {
    for (;;) {
      try {
        await within("get an answer", useOnce(client, random), HANG_MS);
        uses.done++;
      } catch {
        uses.failed++;
        await pause(RETRY_PAUSE_MS);
      }
    }
  }
  const protocol = random.pick([2, 3] as const);
  const options = { host: AT, port, protocol, tls, throughOutages: true };
  until(`${name} has connected`, () => CLIENTS[name]!(options), REST_DEADLINE_MS)
    .then(async (client) => {
      await client.subscribe("", "channel:1", () => {}).catch(() => {});
      for (let worker = 0; worker < WORKERS_EACH; worker++) use(client);
    }, () => uses.failed++);
  for await (const _ of Deno.stdin.readable);
  console.log(JSON.stringify(uses));
}

/** Runs a real client until `over` is settled. */
async function runClient(
  name: string,
  { ports, random }: Place,
  { tally, over }: { tally: Tally; over: Promise<unknown> },
): Promise<void> {
  const args = [
    `--client=${name}`,
    `--port=${random.pick(ports)}`,
    `--seed=${random.int(2 ** 32)}`,
    // The certificates of a process are its own.
    ...TLS.clients ? [`--tls=${JSON.stringify(CLIENT_TLS)}`] : [],
  ];
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", import.meta.filename!, ...args],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  try {
    await over.finally(() => process.stdin.close());
    const { stdout } = await within(`see ${name} end`, process.output(), REST_DEADLINE_MS);
    tally.add(name, JSON.parse(new TextDecoder().decode(stdout)));
  } catch (error) {
    process.kill("SIGKILL");
    throw error;
  }
}

async function useOnce(client: ClusterClient, random: Random): Promise<unknown> {
  const key = keyOf(random);
  switch (random.int(6)) {
    case 0:
      return await client.command(key, "SET", key, "x".repeat(random.int(100_000)));
    case 1:
      return await client.pipeline(key, Array.from({ length: 20 }, () => ["GET", key]));
    case 2:
      return await client.transaction(key, [["SET", key, "1"], ["GET", key]]);
    case 3:
      return await client.command(key, "PUBLISH", "channel:1", "message");
    case 4:
      return await client.onPrimaries("PING");
    default:
      return await client.getBytes(key);
  }
}

/** Faults of a complete cluster. */
const FAULTS: Readonly<
  Record<string, (cluster: RedisCluster, random: Random) => Promise<unknown>>
> = {
  "CLIENT KILL": (cluster, random) =>
    random.pick(cluster.running).order("CLIENT", "KILL", "TYPE", "normal"),
  "CLIENT KILL of subscribers": (cluster, random) =>
    random.pick(cluster.running).order("CLIENT", "KILL", "TYPE", "pubsub"),
  async "failover"(cluster, random) {
    const replicas = (await cluster.standings()).filter(({ role }) => role === "replica");
    await cluster.failover(random.pick(replicas).node);
  },
  async "kill and restart"(cluster, random) {
    const node = random.pick(cluster.running);
    await node.kill();
    await node.start();
  },
  async "kill, and restart when it is replaced"(cluster, random) {
    const node = random.pick(cluster.running);
    await node.kill();
    try {
      await untilReplaced(cluster, node);
    } finally {
      await node.start();
    }
  },
  async "a node that halts"(cluster, random) {
    const { pid } = random.pick(cluster.running);
    Deno.kill(pid!, "SIGSTOP");
    await pause(CALM_MS.most / 4);
    Deno.kill(pid!, "SIGCONT");
  },
};

async function makeFaults({ cluster, random, over }: Place, tally: Tally): Promise<void> {
  while (!over()) {
    await pause(CALM_MS.least + random.int(CALM_MS.most - CALM_MS.least));
    const name = random.pick(Object.keys(FAULTS));
    try {
      await FAULTS[name]!(cluster, random);
      tally.add(name, { done: 1 });
    } catch {
      // Two faults may overlap.
      tally.add(name, { failed: 1 });
    }
    await cluster.ready();
  }
}

/** The figures of an idle proxy. */
interface Rest {
  readonly bytes: number;
  readonly files: number;
  /** The smallest live heap since the last measurement. */
  readonly heapBytes: number;
}

/** Waits until no client is connected, and measures. */
async function rest(
  nat: NatProcess,
  cluster: RedisCluster,
  { files: filesBefore, printed }: { files: number; printed: number },
): Promise<Rest> {
  await cluster.untilDeserted(/ cmd=(client|cluster\|)/, REST_DEADLINE_MS);
  const files = await until("all is closed", (saw) => {
    const files = nat.descriptors;
    saw(`${files} files, ${filesBefore} before`);
    return files <= filesBefore && files;
  }, REST_DEADLINE_MS);
  const collections = [...nat.stdout.slice(printed).matchAll(COLLECTION)];
  const heapBytes = MIB * Math.min(...collections.map(([, inUse]) => Number(inUse)));
  return { files, bytes: await nat.residentBytes(), heapBytes };
}

async function round(place: Place, tally: Tally): Promise<void> {
  const visitors = Object.keys(VISITS).flatMap((name) => {
    return Array.from({ length: WORKERS_EACH }, () => visitOften(name, place, tally));
  });
  const over = makeFaults(place, tally);
  const clients = Object.keys(CLIENTS).map((name) => runClient(name, place, { tally, over }));
  await Promise.all([...visitors, ...clients, over]);
}

/** Shows at a terminal how far a round is while `play` lasts. */
async function showing<T>(round: string, endMs: number, play: () => Promise<T>): Promise<T> {
  const beginMs = performance.now();
  const show = () => {
    const part = (performance.now() - beginMs) / (endMs - beginMs);
    const state = part < 1 ? `${Math.floor(100 * part)} %` : "waiting until nothing is connected";
    statusLine.show(`${round}, ${state}`);
  };
  const timer = setInterval(show, SHOW_INTERVAL_MS);
  try {
    return await play();
  } finally {
    clearInterval(timer);
    statusLine.show("");
  }
}

function inMib(bytes: number): string {
  return (bytes / MIB).toFixed(1);
}

async function soak(minutes: number, seed: number): Promise<boolean> {
  console.log(`deno task soak --minutes ${minutes} --seed ${seed}`);
  const random = seededRandom(seed);
  await using cluster = await RedisCluster.start({ directives: { appendonly: "yes" } });
  const seedNode = cluster.nodes[0]!;
  await using nat = await new NatProcess([
    `--cluster-addr=${seedNode.address}`,
    `--listen-addr=${AT}:0`,
    `--public-host=${AT}`,
    "--refresh-interval=1s",
    "--log-level=warning",
    // Only full collections measure the live heap.
  ], { env: { DENO_V8_FLAGS: "--trace-gc,--gc-global" } }).untilMapped(cluster.nodes.length);
  const ports = [...nat.mapping.values()];
  {
    using first = await WireClient.connect(AT, ports[0]!);
    await first.ask("CLUSTER", "SLOTS");
  }
  const { files } = await rest(nat, cluster, { files: Infinity, printed: 0 });

  const totalMs = minutes * 60_000;
  const rounds = Math.max(FEWEST_ROUNDS, Math.ceil(totalMs / LONGEST_ROUND_MS));
  const rests: Rest[] = [];
  const tally = new Tally();
  for (let index = 1; index <= rounds; index++) {
    const endMs = performance.now() + totalMs / rounds;
    const printed = nat.stdout.length;
    const figures = await showing(`round ${index} of ${rounds}`, endMs, async () => {
      await round({ cluster, ports, random, over: () => performance.now() >= endMs }, tally);
      return await rest(nat, cluster, { files, printed });
    });
    rests.push(figures);
    console.log(
      `round ${index} of ${rounds}: memory ${inMib(figures.bytes)} MiB, of which objects in use ` +
        `${inMib(figures.heapBytes)} MiB; ${figures.files} files, 0 sessions`,
    );
  }
  console.log(`done, and tried in vain:\n${tally}`);

  const warmUp = Math.ceil(rounds * WARM_UP_SHARE);
  const [first, last] = [rests.slice(0, warmUp), rests.slice(-warmUp)];
  const [bytesOf, heapOf] = [(rest: Rest) => rest.bytes, (rest: Rest) => rest.heapBytes];
  const grownBytes = Math.min(...last.map(bytesOf)) - Math.max(...first.map(bytesOf));
  // The first round starts with an empty heap.
  const heapBytes = Math.min(...last.map(heapOf)) - Math.min(...first.slice(1).map(heapOf));
  console.log(
    `from the first ${warmUp} rounds to the last: memory ${inMib(grownBytes)} MiB more, ` +
      `objects in use ${inMib(heapBytes)} MiB more; ` +
      `peak memory ${inMib(await nat.peakBytes())} MiB; ` +
      `files ${files} before, ${rests.at(-1)!.files} after`,
  );
  const complaints = [
    ...grownBytes > MEMORY_LIMIT_BYTES ? ["memory is not flat"] : [],
    ...heapBytes <= HEAP_LIMIT_BYTES ? [] : ["the objects in use are not flat"],
    ...tally.missing.map((what) => `nothing of this worked: ${what}`),
    ...nat.stderr.match(/^.*unexpected error.*$/gm) ?? [],
  ];
  for (const complaint of complaints) console.error(complaint);
  return complaints.length === 0;
}

const USAGE = `Usage: deno task soak [options]
  --minutes N  duration, 3 by default
  --seed N     seed of all that is random`;

async function main(): Promise<number> {
  // The last three make it a client.
  const given = readArguments(Deno.args, ["minutes", "seed", "client", "port", "tls"]);
  const { minutes = "3", client, port, tls } = given;
  const seed = integerOf("seed", given.seed ?? Math.floor(Math.random() * 2 ** 32));
  if (!(Number(minutes) > 0)) throw new UsageError(`--minutes needs more than 0, not '${minutes}'`);
  if (client === undefined) return await soak(Number(minutes), seed) ? 0 : 1;
  await beClient(client, {
    port: Number(port),
    random: seededRandom(seed),
    tls: tls === undefined ? undefined : JSON.parse(tls),
  });
  return 0;
}

if (import.meta.main) await runTask(USAGE, main);
