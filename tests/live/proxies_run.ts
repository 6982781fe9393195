/**
 * What `deno task proxies` runs on the machine of the nodes. Clients write through the balancer and
 * straight to the nodes, while nodes join, leave and die, the shard that holds the shared ports
 * fails over, and proxies are killed, drained, paused, cut off, and started all at once without a
 * hash. All the time the maps of the proxies are compared, and replies are searched for private
 * addresses. In the end every acknowledged write is checked.
 */
import type { HostPort } from "../../src/platform/address.ts";
import { RedisCluster } from "../support/cluster.ts";
import { all } from "../support/cluster_slots.ts";
import { type Random, seededRandom } from "../support/random.ts";
import { TemporaryDirectory } from "../support/temporary.ts";
import { Agreement } from "./agreement.ts";
import { change, type ChangeName, untilReplaced } from "./changes.ts";
import { Fleet, type Member, SHARED_KEY } from "./fleet.ts";
import { type Machines, NODES_NETWORK, PROXIES_NETWORK, pullCable } from "./fleet_machines.ts";
import { lostWrites, WRITERS } from "./load.ts";
import type { LoadReport } from "./load_client.ts";
import { type LoadPlace, LoadProcess } from "./load_process.ts";
import { cutReplicas, giveAwayLostPort, storeOf } from "./lost_claim.ts";
import { CLIENTS, untilAllFlow } from "./scene.ts";
import { Watcher } from "./watcher.ts";

/** Clients recover sooner once the cluster has; node-redis retries after growing pauses. */
const RECOVERY_DEADLINE_MS = 40_000;

/** How long to wait for clients inside once those outside have recovered. */
const INSIDE_WAIT_MS = 5_000;

/** Two proxies may differ for half a second, and as long as a comparison takes. */
const DIFFERENCE_MS = 1_000;

/** A proxy that was paused for longer must correct its ports when it continues. */
const PAUSE_MS = 3_000;

/** A cable is out for this long at most: some retransmissions, or none. */
const CUT_MS = 6_000;

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

/** What the run gets, as JSON. */
export interface RunOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly machines: Machines;
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
  async "the cable of a proxy is pulled"(fleet, random) {
    const { machine } = random.pick(fleet.members);
    await using _cut = await pullCable(machine);
    await pause(random.int(CUT_MS));
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

/**
 * Starts each client twice: where only the balancer is in reach, and among the nodes. Each has many
 * seeds, because the node of any of them may leave, and ioredis begins anew with them when it has
 * lost all nodes.
 */
async function startLoads(
  stack: AsyncDisposableStack,
  { fleet, cluster, machines }: { fleet: Fleet; cluster: RedisCluster; machines: Machines },
): Promise<Record<"outside" | "inside", LoadProcess[]>> {
  const seedsOutside = fleet.ports.map((port) => ({ host: fleet.host, port }));
  const seedsInside = cluster.nodes.map(({ host, port }) => ({ host, port }));
  const { before } = machines.clients;
  const start = (side: string, seeds: readonly HostPort[], more: Omit<LoadPlace, "kind">) =>
    all((Object.keys(CLIENTS) as LoadPlace["kind"][]).map(async (kind) => {
      const place = { kind, ...more };
      return stack.use(await LoadProcess.start(`${kind} ${side}`, seeds, place));
    }));
  return {
    outside: await start("outside", seedsOutside, { before }),
    inside: await start("inside", seedsInside, { isInside: true }),
  };
}

/** Waits until all writers have got answers since a time; returns how long that took. */
async function recovery(
  loads: readonly LoadProcess[],
  sinceMs: number,
  deadlineMs = RECOVERY_DEADLINE_MS,
): Promise<number> {
  await untilAllFlow(loads, sinceMs, deadlineMs);
  return performance.now() - sinceMs;
}

async function run({ minutes, seed, machines }: RunOptions): Promise<boolean> {
  console.log(`seed ${seed}`);
  const random = seededRandom(seed);
  await using directory = await TemporaryDirectory.create();
  await using cluster = await RedisCluster.start({ network: NODES_NETWORK });
  await using fleet = await Fleet.start(cluster, machines, directory);
  await fleet.untilAgreed();
  const words = [...machines.clients.before, "redis-cli", "-c", "-h", fleet.host];
  console.log(`other clients may use ${words.join(" ")} -p ${fleet.ports[0]}`);
  await using stack = new AsyncDisposableStack();
  const { outside, inside } = await startLoads(stack, { fleet, cluster, machines });
  const agreement = new Agreement(fleet);
  // The proxies listen there, and clients outside are not shown that.
  const isHidden = (text: string) => text.includes(NODES_NETWORK) || text.includes(PROXIES_NETWORK);
  const watcher = new Watcher([fleet], isHidden);

  let endMs = performance.now() + minutes * 60_000;
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
      for (const load of active) if (!load.flowsSince(sinceMs)) lost.add(load.name);
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
      await fleet.untilAgreed();
      count(name);
    }
  }

  /** Ends the other loop if this one fails. */
  async function orEnd(loop: Promise<void>): Promise<void> {
    try {
      await loop;
    } catch (error) {
      endMs = 0;
      throw error;
    }
  }

  const complaints: string[] = [];
  try {
    await all([orEnd(changeCluster()), orEnd(breakProxies(seededRandom(seed + 1)))]);
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
  const stop = (loads: readonly LoadProcess[]) => all(loads.map((load) => load.stop()));
  const [reports, reportsInside] = await all([stop(outside), stop(inside)]);

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
  const isPublic = (address: string) =>
    fleet.ports.some((port) => address === `${fleet.host}:${port}`);
  for (const [index, { name }] of outside.entries()) {
    const [report, twin] = [reports![index]!, reportsInside![index]!];
    const lost = await lostWrites(report.written, cluster);
    const lostInside = await lostWrites(twin.written, cluster);
    console.log(`${name}: ${shown(report, lost)}`);
    console.log(`${inside[index]!.name}: ${shown(twin, lostInside)}`);
    if (report.hung.length > 0) complaints.push(`${name}: writes without an answer`);
    const strange = report.addresses.filter((address) => !isPublic(address));
    if (strange.length > 0) complaints.push(`${name} knows ${strange.join(", ")}`);
    // Each writer has one pending write, so a death costs at most one for each; a failover that
    // loses all of some time costs both sides about the same.
    const allowed = 1.5 * lostInside.length + WRITERS * deaths;
    if (lost.length > allowed) complaints.push(`${name} lost ${lost.join(", ")}`);
  }
  if (agreement.comparisons === 0) complaints.push("no maps were compared");
  complaints.push(...leaks.slice(0, 3).map((leak) => `a private address: ${leak}`));
  complaints.push(...fleet.log.match(/^.*(unexpected|Uncaught) error.*$/gm) ?? []);
  if (complaints.length > 0) {
    const file = await Deno.makeTempFile({ prefix: "proxies-", suffix: ".log" });
    const logs = await all(cluster.nodes.map((node) => node.log()));
    await Deno.writeTextFile(file, [fleet.log, ...logs].join("\n"));
    console.error(`the logs of the proxies and of the nodes are in ${file}`);
  }
  for (const complaint of complaints) console.error(complaint);
  return complaints.length === 0;
}

/** The figures of a client. */
function shown({ acknowledged, hung, errors }: LoadReport, lost: readonly string[]): string {
  const failed = Object.entries(errors).map(([text, times]) => `${times} × ${text}`).join(", ");
  return `${acknowledged} writes acknowledged, ${lost.length} of them lost, ` +
    `${hung.length} never answered; errors: ${failed || "none"}`;
}

if (import.meta.main) Deno.exit(await run(JSON.parse(Deno.args[0]!)) ? 0 : 1);
