/**
 * `deno task proxies --minutes 3`: three proxies that share their ports, behind HAProxy, in front of
 * a real cluster. Clients write through the balancer and straight to the nodes, while nodes join,
 * leave, move and die, the shard that holds the shared ports fails over, and proxies are killed,
 * drained, paused, and started all at once without a hash. All the time the maps of the proxies are
 * compared, and replies are searched for private addresses. In the end every acknowledged write is
 * checked.
 */
import type { ClusterClient } from "./integration/clients/client.ts";
import { Agreement } from "./live/agreement.ts";
import { change, type ChangeName, untilReplaced } from "./live/changes.ts";
import { Fleet, type Member, SHARED_KEY } from "./live/fleet.ts";
import { cutReplicas, giveAwayLostPort, storeOf } from "./live/lost_claim.ts";
import { Load, WRITERS } from "./live/load.ts";
import { CLIENTS } from "./live/scene.ts";
import { Watcher } from "./live/watcher.ts";
import { RedisCluster } from "./support/cluster.ts";
import { type Random, seededRandom } from "./support/random.ts";
import { integerOf, readArguments, runTask, UsageError } from "./support/task.ts";
import { PROXY_HOSTS } from "./support/tls.ts";
import { TemporaryDirectory } from "./support/temporary.ts";
import { until, within } from "./support/until.ts";

/** Clients recover sooner once the cluster has; node-redis retries after growing pauses. */
const RECOVERY_DEADLINE_MS = 40_000;

/** How long to wait for clients inside once those outside have recovered. */
const INSIDE_WAIT_MS = 5_000;

/** Two proxies may differ for half a second, and as long as a comparison takes. */
const DIFFERENCE_MS = 1_000;

/** A proxy that was paused for longer must correct its ports when it continues. */
const PAUSE_MS = 3_000;

/** As many nodes as tests/live has at most. */
const MOST_NODES = 9;

/** How long the writes are that a failover loses: shorter than the node timeout. */
const LOST_MS = 1_500;

/** The bounds of the time between two faults of proxies. */
const CALM_MS = { least: 1_000, most: 6_000 };

/** Nodes that move to other addresses are the subject of tests/live. */
const CHANGES: ChangeName[] = [
  ...["a primary more", "two primaries more, and a rebalance", "a replica more"] as const,
  ...["a primary less", "a replica less", "slots elsewhere", "a failover"] as const,
  "a dead primary",
];

interface Side {
  readonly name: string;
  readonly client: ClusterClient;
  readonly load: Load;
}

/** How long it took until all writers of a side got answers again. */
interface Recovery {
  readonly what: string;
  readonly outsideMs: number;
  /** Infinity if a client inside has not recovered. */
  readonly insideMs: number;
}

/** What happens to proxies; the others serve meanwhile, except in the last. */
const FAULTS: Readonly<Record<string, (fleet: Fleet, random: Random) => Promise<unknown>>> = {
  async "a proxy is killed"(fleet, random) {
    const member = random.pick(fleet.members);
    await fleet.kill(member);
    await pause(random.int(2000));
    await fleet.launch(member);
  },
  async "a proxy is drained"(fleet, random) {
    const member = random.pick(fleet.members);
    await fleet.drain(member);
    await fleet.launch(member);
  },
  async "a proxy pauses"(fleet, random) {
    const { process } = random.pick(fleet.members);
    process!.signal("SIGSTOP");
    await pause(PAUSE_MS);
    process!.signal("SIGCONT");
  },
  async "two proxies are killed and start at once"(fleet, random) {
    const spared = random.pick(fleet.members);
    const members = fleet.members.filter((member) => member !== spared);
    await Promise.all(members.map((member) => fleet.kill(member)));
    await Promise.all(members.map((member) => fleet.launch(member)));
  },
};

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * A node joins while the replicas of the store's shard hang and have no link to their primary, which
 * then dies: its last writes are lost, the claim of the new node among them.
 */
async function loseClaim(cluster: RedisCluster): Promise<void> {
  const store = await storeOf(cluster);
  if (cluster.nodes.length >= MOST_NODES) return;
  using replicas = await cutReplicas(cluster, store);
  // `add` waits for the replicas.
  const joining = cluster.add();
  await pause(LOST_MS);
  await store.kill();
  replicas[Symbol.dispose]();
  await untilReplaced(cluster, store);
  await store.start();
  await joining;
}

async function killStore(cluster: RedisCluster): Promise<void> {
  const store = await storeOf(cluster);
  await store.kill();
  await untilReplaced(cluster, store);
  await store.start();
}

/** All proxies die and start at once, and the hash is gone. */
async function startAnew(fleet: Fleet, cluster: RedisCluster): Promise<void> {
  await Promise.all(fleet.members.map((member: Member) => fleet.kill(member)));
  await (await storeOf(cluster)).order("DEL", SHARED_KEY);
  await Promise.all(fleet.members.map((member: Member) => fleet.launch(member)));
}

async function connect(stack: AsyncDisposableStack, fleet: Fleet, cluster: RedisCluster) {
  const { host, port } = cluster.nodes[0]!;
  const places = {
    outside: { host: fleet.host, port: fleet.ports[0]! },
    inside: { host, port, isInside: true },
  };
  const sides: Record<keyof typeof places, Side[]> = { outside: [], inside: [] };
  for (const [side, place] of Object.entries(places)) {
    for (const [kind, connect] of Object.entries(CLIENTS)) {
      const name = `${kind} ${side}`;
      const options = { protocol: 3, throughOutages: true, ...place } as const;
      const connecting: Promise<ClusterClient> = connect(options);
      const client = await within(`connect ${name}`, connecting, RECOVERY_DEADLINE_MS);
      stack.defer(() => client.leave());
      sides[side as keyof typeof places].push({ name, client, load: new Load(name, client) });
    }
  }
  return sides;
}

/** Waits until all writers have got answers since a time; returns how long that took. */
async function recovery(
  sides: readonly Side[],
  sinceMs: number,
  deadlineMs = RECOVERY_DEADLINE_MS,
): Promise<number> {
  await until("all writers go on", (saw) => {
    const late = sides.filter(({ load }) => !load.flowsSince(sinceMs));
    saw(late.map(({ name, load }) => [name, ...load.errors].join(" ")));
    return late.length === 0;
  }, deadlineMs);
  return performance.now() - sinceMs;
}

async function run(minutes: number, seed: number): Promise<boolean> {
  console.log(`seed ${seed}`);
  const random = seededRandom(seed);
  await using directory = await TemporaryDirectory.create();
  await using cluster = await RedisCluster.start();
  await using fleet = await Fleet.start(cluster, directory);
  await until("all proxies are ready", async () => await fleet.readyCount() === 3);
  console.log(`other clients may use ${fleet.host}:${fleet.ports[0]}`);
  await using stack = new AsyncDisposableStack();
  const { outside, inside } = await connect(stack, fleet, cluster);
  const agreement = new Agreement(fleet);
  // The proxies listen there, and clients outside are not shown that.
  const isHidden = (text: string) =>
    text.includes(cluster.network) || PROXY_HOSTS.some((host) => text.includes(host));
  const watcher = new Watcher([fleet], isHidden);

  const endMs = performance.now() + minutes * 60_000;
  let deaths = 0;
  /** The clients inside that have not recovered. */
  const lost = new Set<string>();
  const recoveries: Recovery[] = [];
  const counts = new Map<string, number>();
  const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1);

  async function survive(what: string, event: () => Promise<unknown>): Promise<void> {
    await event();
    const sinceMs = performance.now();
    const outsideMs = await recovery(outside, sinceMs);
    // A client inside may never recover; the run is about those outside.
    const active = inside.filter(({ name }) => !lost.has(name));
    const insideMs = await recovery(active, sinceMs, INSIDE_WAIT_MS).catch(() => Infinity);
    if (insideMs === Infinity) {
      for (const { name, load } of active) if (!load.flowsSince(sinceMs)) lost.add(name);
    }
    recoveries.push({ what, outsideMs, insideMs });
    count(what);
  }

  async function changeCluster(): Promise<void> {
    for (let round = 0; performance.now() < endMs; round++) {
      if (round % 4 === 3) {
        const isLossy = random.chance(0.5);
        deaths++;
        await survive(
          isLossy ? "the store dies while a node joins" : "the store dies",
          () => isLossy ? loseClaim(cluster) : killStore(cluster),
        );
        await cluster.ready();
        continue;
      }
      let name = "";
      await survive(
        "a change of the cluster",
        async () => name = await change(cluster, random, CHANGES),
      );
      if (name === "a dead primary") deaths++;
      count(`  ${name}`);
    }
  }

  /** Its own source of numbers, so that neither depends on the time that the other takes. */
  async function breakProxies(random: Random): Promise<void> {
    while (performance.now() < endMs) {
      await pause(CALM_MS.least + random.int(CALM_MS.most - CALM_MS.least));
      const [name, fault] = random.pick(Object.entries(FAULTS));
      await fault(fleet, random);
      await until("all proxies are ready", async () => await fleet.readyCount() === 3, 30_000);
      count(name);
    }
  }

  const complaints: string[] = [];
  try {
    await Promise.all([changeCluster(), breakProxies(seededRandom(seed + 1))]);
    await survive("a lost port is given away", () => giveAwayLostPort(fleet, cluster));
    deaths++;
    await survive("all proxies start at once without a hash", () => startAnew(fleet, cluster));
    await cluster.ready();
  } catch (error) {
    complaints.push(error instanceof Error ? error.message : String(error));
    console.error(complaints[0]);
    // The writes are checked anyway.
    await cluster.ready();
  }
  const differences = await agreement.stop();
  const leaks = await watcher.stop();
  for (const { name, client } of inside) if (lost.has(name)) client.leave();
  await Promise.all([...outside, ...inside].map(({ load }) => load.stop()));

  for (const [what, times] of counts) console.log(`${times} times ${what}`);
  const both = recoveries.filter(({ insideMs }) => insideMs < Infinity);
  const worst = (of: (recovery: Recovery) => number) =>
    Math.round(Math.max(0, ...recoveries.map(of)));
  const sum = (of: (recovery: Recovery) => number) => both.reduce((all, one) => all + of(one), 0);
  const ratio = sum(({ outsideMs }) => outsideMs) / sum(({ insideMs }) => insideMs);
  console.log(
    `writers go on after a change, in ms at worst: outside ${
      worst(({ outsideMs }) => outsideMs)
    }, ` +
      `inside ${worst(({ insideMs }) => insideMs)}; where both do, outside takes ` +
      `${ratio.toFixed(2)} times as long on average`,
  );
  for (const name of lost) console.log(`${name} has not recovered`);
  const longest = differences.reduce((most, { durationMs }) => Math.max(most, durationMs), 0);
  console.log(
    `${agreement.comparisons} comparisons of maps: ${differences.length} differences, the longest ` +
      `for ${Math.round(longest)} ms; ${watcher.replies} replies searched for private addresses`,
  );
  for (const { text, durationMs } of differences) {
    console.log(`  ${text}, for ${Math.round(durationMs)} ms`);
    if (durationMs > DIFFERENCE_MS) complaints.push(`a difference lasted: ${text}`);
  }
  for (const [index, side] of outside.entries()) {
    const twin = inside[index]!;
    const [lost, lostInside] = [await side.load.lost(cluster), await twin.load.lost(cluster)];
    for (const [{ name, load }, missing] of [[side, lost], [twin, lostInside]] as const) {
      const errors = [...load.errors].map(([text, times]) => `${times} × ${text}`).join(", ");
      console.log(
        `${name}: ${load.acknowledged} writes acknowledged, ${missing.length} of them lost, ` +
          `${load.hung.length} never answered; errors: ${errors || "none"}`,
      );
      if (load.hung.length > 0 && name === side.name) {
        complaints.push(`${name}: writes without an answer`);
      }
    }
    // Each writer has one pending write, so a death costs at most one for each; a failover that
    // loses all of some time costs both sides about the same.
    const allowed = 1.5 * lostInside.length + WRITERS * deaths;
    if (lost.length > allowed) complaints.push(`${side.name} lost ${lost.join(", ")}`);
  }
  if (agreement.comparisons === 0) complaints.push("no maps were compared");
  complaints.push(...leaks.slice(0, 3).map((leak) => `a private address: ${leak}`));
  complaints.push(...fleet.log.match(/^.*(unexpected|Uncaught) error.*$/gm) ?? []);
  if (complaints.length > 0) {
    const file = await Deno.makeTempFile({ prefix: "proxies-", suffix: ".log" });
    await Deno.writeTextFile(file, fleet.log);
    console.error(`the logs of the proxies are in ${file}`);
  }
  for (const complaint of complaints) console.error(complaint);
  return complaints.length === 0;
}

const USAGE = `Usage: deno task proxies [options]
  --minutes N  duration, 3 by default
  --seed N     seed of all that is random`;

async function main(): Promise<number> {
  const { minutes = "3", seed } = readArguments(Deno.args, ["minutes", "seed"]);
  if (!(Number(minutes) > 0)) throw new UsageError(`--minutes needs more than 0, not '${minutes}'`);
  const number = integerOf("seed", seed ?? Math.floor(Math.random() * 2 ** 32));
  return await run(Number(minutes), number) ? 0 : 1;
}

if (import.meta.main) await runTask(USAGE, main);
