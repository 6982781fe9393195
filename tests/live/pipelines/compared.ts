import { textOf } from "../../../src/resp/frame.ts";
import type { ClusterNode } from "../../support/cluster.ts";
import { seededRandom } from "../../support/random.ts";
import { slotOf } from "../../support/slots.ts";
import { connectToNode, connectToProxy } from "../../support/tls.ts";
import { until } from "../../support/until.ts";
import { wire, type WireClient } from "../../support/wire.ts";
import { holds, Recorder } from "./connection.ts";
import { isStopped, unreadBytes, unreadFrom } from "./kernel.ts";
import { PASSWORD, randomKinds, randomRequests, type Request } from "./requests.ts";
import { requestsOf, shownRequest, type Subjects, textsLike, wireOf } from "./requests.ts";
import { PUBLIC_HOST, type Stage, tagsOf } from "./stage.ts";
import { type Identity, normalized, withoutVerbatim } from "./transcript.ts";

/** A change at the node, at the same moment for both connections. */
export type Change = "leaves" | "migrates" | "returns" | "settles" | "failover";

/** Requests that are sent while the node is stopped. */
export interface Batch {
  readonly requests: readonly Request[];
  readonly change: Change | undefined;
  /** Whether the change comes before both pipelines or after them. */
  readonly changeFirst: boolean;
  /** Which of the two pipelines is first. */
  readonly proxiedFirst: boolean;
  /** The share of its bytes after which a pipeline is cut in two. */
  readonly cutAfter: number;
}

/** One round, which can be repeated from this. */
export interface Scenario {
  readonly seed: number;
  /** The state of both connections at the beginning. */
  readonly opening: "authenticated" | "RESP3" | "unauthenticated";
  readonly batches: readonly Batch[];
}

/** The outcome of a round. */
export interface Outcome {
  /** Number of RESP tokens compared. */
  readonly compared: number;
  readonly fault?: Fault | undefined;
  /** A difference that the server causes, to be counted. */
  readonly note?: string | undefined;
}

/** A difference that the proxy must not cause. */
export interface Fault {
  readonly kind: "leak" | "differs" | "closed" | "hangs";
  /** A description in one line. */
  readonly description: string;
  readonly direct: string;
  readonly proxied: string;
}

const SETTLED_MS = 6;
const QUIET_MS = 25;
const ARRIVAL_DEADLINE_MS = 300;
const BATCH_DEADLINE_MS = 3_000;
/** A node answers sooner or never. */
const SILENT_MS = 2_000;
const CLUSTER_DEADLINE_MS = 20_000;

const TOKENS = { direct: "Sq7", proxied: "Pq7" };

/** Requests after which the proxy sends a marker outside MULTI. */
const DOUBTFUL = /AUTH|SUNSUBSCRIBE|MONITOR|EVAL|REPLCONF/i;

/** What a tested node is, and how the other parts of the cluster are reached. */
interface Parts {
  readonly stage: Stage;
  readonly node: ClusterNode;
  readonly replica: ClusterNode | undefined;
  readonly admin: WireClient;
  readonly otherId: string;
  /** Whether servers drop errors while replies are unsent. */
  readonly losesErrors: boolean;
}

/** A node, and the keys that clients use there. */
export class TestedNode implements AsyncDisposable {
  readonly #parts: Parts;
  readonly subjects: Subjects;

  private constructor(parts: Parts, subjects: Subjects) {
    this.#parts = parts;
    this.subjects = subjects;
  }

  /** Connects to a node, which must be a primary. */
  static async open(stage: Stage, node: ClusterNode, replica?: ClusterNode): Promise<TestedNode> {
    const standings = await stage.cluster.standings();
    const slots = new Set(standings.find((standing) => standing.node === node)!.slots);
    const other = stage.cluster.primaries.find((other) => other !== node && other !== replica)!;
    const tags = tagsOf((slot) => slots.has(slot));
    const [stay, move] = [tags.next().value!, tags.next().value!];
    const foreign = tagsOf((slot) => !slots.has(slot)).next().value!;
    const losesErrors = await stage.losesErrors();
    const admin = await node.connect();
    return new TestedNode(
      { stage, node, replica, admin, otherId: other.id, losesErrors },
      { stay, move, foreign, nodeId: node.id },
    );
  }

  async play(scenario: Scenario): Promise<Outcome> {
    await this.#prepare();
    const { stage, node } = this.#parts;
    const logged = stage.nat.stderr.length;
    await using direct = new Recorder(await connectToNode(node.host, node.port));
    await using proxied = new Recorder(await connectToProxy(PUBLIC_HOST, stage.portOf(node)));
    const pair = {
      direct: await this.#introduce(direct, TOKENS.direct),
      proxied: await this.#introduce(proxied, TOKENS.proxied),
    };
    await Promise.all([direct, proxied].map((client) => open(client, scenario.opening)));
    for (const [index, batch] of scenario.batches.entries()) {
      await this.#playBatch(batch, pair, `end${index}`);
    }
    const last = `last${scenario.seed}`;
    const endings = await Promise.all([direct, proxied].map(async (client) => {
      const answers = (end: string) => {
        const over = () => client.received.endsWith(end) || client.ended;
        return holds(() => over() || client.quietMs > SILENT_MS, BATCH_DEADLINE_MS);
      };
      // After RESET a connection answers in any state.
      await client.send(wire("PING", "x") + wire("RESET"));
      await answers("+RESET\r\n");
      await client.send(wire("AUTH", PASSWORD) + wire("ECHO", last));
      await answers(`${last}\r\n`);
      return client.received.endsWith(`${last}\r\n`) ? "answers" : client.ended ? "ended" : "hangs";
    }));
    return this.#compare(pair, endings as [Ending, Ending], { scenario, logged });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      // A failover may have made it a replica; the slots have not moved then.
      if (this.#parts.replica === undefined) await this.#prepare();
    } finally {
      this.#parts.admin.close();
    }
  }

  /** Restores all slots and values. */
  async #prepare(): Promise<void> {
    const { stay, move } = this.subjects;
    const { node, admin } = this.#parts;
    const slot = `${slotOf(move)}`;
    const requests = [
      ["CLUSTER", "SETSLOT", slot, "STABLE"],
      ["CLUSTER", "SETSLOT", slot, "NODE", node.id],
    ];
    for (const token of Object.values(TOKENS)) {
      const key = (name: string) => `${name}${token}{${stay}}`;
      for (const [index, text] of textsLike(node).entries()) {
        requests.push(["SET", key(`text${index}`), text]);
      }
      requests.push(["DEL", key("k"), key("list"), key("number"), key("stream"), key("none")]);
      requests.push(["RPUSH", key("list"), "10.77.0.1", "7000", "MOVED 1 10.77.0.1:7000", "0"]);
    }
    for (const [index, answer] of (await admin.askAll(requests)).entries()) {
      if (answer.type !== "-") continue;
      throw new Error(`'${requests[index]!.join(" ")}' is refused: ${answer.text}`);
    }
  }

  /** Looks up a connection at the node. */
  async #introduce(client: Recorder, token: string): Promise<ComparedClient> {
    const answer = await client.ask(wire("AUTH", PASSWORD) + wire("CLIENT", "ID"), 2);
    const id = /:(\d+)\r\n$/.exec(answer)![1]!;
    const line = await this.#parts.admin.ask("CLIENT", "LIST", "ID", id);
    const [, address, descriptor] = / addr=(\S+).* fd=(\d+)/.exec(textOf(line)!)!;
    const addresses = [client.address, address!];
    return { client, identity: { token, id, addresses }, descriptor: Number(descriptor) };
  }

  async #playBatch(batch: Batch, pair: Pair, end: string): Promise<void> {
    const { direct, proxied } = pair;
    const clients = batch.proxiedFirst ? [proxied, direct] : [direct, proxied];
    const { pid } = this.#parts.node;
    Deno.kill(pid!, "SIGSTOP");
    try {
      await holds(() => isStopped(pid!), BATCH_DEADLINE_MS);
      if (batch.changeFirst) await this.#change(batch.change);
      for (const { client, identity, descriptor } of clients) {
        if (client.ended) continue;
        const requests = [...batch.requests, `PING ${end}§`];
        await this.#arrives(() => unreadBytes(pid!, descriptor), async () => {
          const bytes = requests.map((request) => wireOf(request, identity)).join("");
          const cut = Math.floor(batch.cutAfter * bytes.length);
          await client.send(bytes.slice(0, cut));
          await client.send(bytes.slice(cut));
        });
      }
      if (!batch.changeFirst) await this.#change(batch.change);
    } finally {
      Deno.kill(pid!, "SIGCONT");
    }
    if (batch.change !== undefined && batch.change !== "failover") {
      // The reply to the change.
      await this.#parts.admin.readFrames(1);
    }
    await holds(async () => {
      const done = clients.every(({ client, identity }) =>
        client.ended || client.received.endsWith(`${end}${identity.token}\r\n`)
      );
      if (done) return true;
      if (clients.some(({ client }) => !client.ended && client.quietMs < QUIET_MS)) return false;
      if (clients.some(({ descriptor }) => unreadBytes(pid!, descriptor) > 0)) return false;
      const info = textOf(await this.#parts.admin.ask("INFO", "clients"));
      return info!.includes("\r\nblocked_clients:0\r\n");
    }, BATCH_DEADLINE_MS);
  }

  async #change(change: Change | undefined): Promise<void> {
    if (change === undefined) return;
    const { node, replica, admin, otherId } = this.#parts;
    if (change === "failover") {
      return await this.#arrives(() => unreadFrom(replica!.host, node.host), async () => {
        await replica!.order("CLUSTER", "FAILOVER", "TAKEOVER");
      });
    }
    const slot = `${slotOf(this.subjects.move)}`;
    const args = {
      leaves: ["NODE", otherId],
      migrates: ["MIGRATING", otherId],
      returns: ["NODE", node.id],
      settles: ["STABLE"],
    }[change];
    // On the loopback interface, written bytes have arrived.
    await admin.send(wire("CLUSTER", "SETSLOT", slot, ...args));
  }

  /** Waits until bytes have arrived at the stopped node, and no more arrive. */
  async #arrives(unread: () => number | Promise<number>, send: () => Promise<void>): Promise<void> {
    let seen = await unread();
    await send();
    let sinceMs = 0;
    await holds(async () => {
      const bytes = await unread();
      if (bytes !== seen) {
        seen = bytes;
        sinceMs = performance.now();
      }
      return sinceMs > 0 && performance.now() - sinceMs > SETTLED_MS;
    }, ARRIVAL_DEADLINE_MS);
  }

  async #compare(
    { direct, proxied }: Pair,
    endings: readonly [direct: Ending, proxied: Ending],
    { scenario, logged }: { scenario: Scenario; logged: number },
  ): Promise<Outcome> {
    const { stage, losesErrors } = this.#parts;
    const answers = { direct: direct.client.received, proxied: proxied.client.received };
    const mapped = {
      ...direct.identity,
      addressMap: { nodes: stage.nodes, publicHost: PUBLIC_HOST },
    };
    const expected = normalized(answers.direct, mapped, TOKENS.proxied);
    const actual = normalized(answers.proxied, proxied.identity, TOKENS.direct);
    const compared = Math.min(expected.length, actual.length);
    const fault = (kind: Fault["kind"], description: string): Outcome => {
      return { compared, fault: { kind, description, ...answers } };
    };
    const leak = privateIn(answers.proxied, stage.cluster.network);
    if (leak !== undefined) return fault("leak", leak);
    const [directEnd, proxiedEnd] = endings;
    if (proxiedEnd !== directEnd && isNodesOwn(scenario, endings, { expected, actual })) {
      return { compared, note: "connections closed by the node on one side" };
    }
    if (proxiedEnd === "ended" && directEnd !== "ended") {
      const reason = await stage.reasonOf(proxied.client.address, logged);
      return fault("closed", reason ?? "the log has no reason");
    }
    if (proxiedEnd !== directEnd) {
      return fault("hangs", `the direct connection ${directEnd}, the proxied one ${proxiedEnd}`);
    }
    if (losesErrors && !isSame(expected, actual)) {
      const [one, other] = [expected, actual].map((tokens) =>
        tokens.filter((token) => !token.startsWith("-WRONGPASS "))
      );
      if (isSame(one!, other!)) return { compared, note: "errors to AUTH lost by the server" };
    }
    const at = expected.findIndex((token, index) => token !== actual[index]);
    if (at >= 0 || actual.length > expected.length) {
      const index = at >= 0 ? at : expected.length;
      if (proxiedEnd === "ended") {
        const reason = await stage.reasonOf(proxied.client.address, logged);
        if (reason !== undefined) return fault("closed", reason);
        // A node that closes drops unsent replies, sooner on a direct connection.
        if (index === expected.length) return { compared, note: CLOSED_BY_NODE };
      }
      const [one, other] = [expected[index], actual[index]].map((token) => JSON.stringify(token));
      return fault("differs", `token ${index}: direct ${one}, proxied ${other}`);
    }
    return directEnd === "ended" ? { compared, note: CLOSED_BY_NODE } : { compared };
  }
}

/**
 * Whether a node closed one of two connections because of unsent replies. Under CLIENT REPLY OFF
 * it never closes, because it closes after the last reply, and the proxy has it reply
 * (networking.c `writeToClient`). It closes an unauthenticated client with too many unsent replies
 * (networking.c `checkClientOutputBufferLimits`).
 */
function isNodesOwn(
  { batches }: Scenario,
  [direct, proxied]: readonly [Ending, Ending],
  { expected, actual }: { expected: readonly string[]; actual: readonly string[] },
): boolean {
  const sent = batches.flatMap(({ requests }) => requests).join(" ");
  if (direct === "hangs" && proxied === "ended") {
    return /REPLY OFF/i.test(sent) && isSame(expected, actual);
  }
  const isShort = isSame(expected, actual.slice(0, expected.length));
  return direct === "ended" && proxied === "answers" && isShort && /RESET/i.test(sent) &&
    !/QUIT/i.test(sent);
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((token, index) => token === other[index]);
}

/** Closed on both sides. */
export const CLOSED_BY_NODE = "connections closed by the node";

type Ending = "answers" | "ended" | "hangs";

interface ComparedClient {
  readonly client: Recorder;
  readonly identity: Identity;
  /** The file descriptor of the node. */
  readonly descriptor: number;
}

interface Pair {
  readonly direct: ComparedClient;
  readonly proxied: ComparedClient;
}

async function open(client: Recorder, opening: Scenario["opening"]): Promise<void> {
  if (opening === "unauthenticated") await client.ask(wire("RESET"), 1);
  if (opening !== "RESP3") return;
  client.forget();
  await client.send(wire("HELLO", "3") + wire("ECHO", "opened"));
  if (!await holds(() => client.received.endsWith("opened\r\n"), BATCH_DEADLINE_MS)) {
    throw new Error(`A connection cannot be opened: ${JSON.stringify(client.received)}`);
  }
  client.forget();
}

/** The surroundings of the first private address outside stored texts, if there is one. */
export function privateIn(text: string, network: string): string | undefined {
  const open = withoutVerbatim(text);
  const at = open.indexOf(network);
  return at < 0 ? undefined : JSON.stringify(open.slice(Math.max(0, at - 40), at + 40));
}

/** The share of rounds that begin with channels of a slot that leaves in the next batch. */
const LOSING_SHARE = 0.3;

/** Makes the round of a seed. */
export function randomScenario(seed: number, subjects: Subjects, failover: boolean): Scenario {
  const random = seededRandom(seed);
  const kinds = randomKinds(random);
  const losing = random.chance(LOSING_SHARE);
  if (losing) kinds.push("shardChannels", "shardChannels");
  const count = failover || losing ? 2 : 1 + random.int(3);
  const failing = losing ? 1 : random.int(count);
  const before: Request[] = [];
  return {
    seed,
    opening: random.pick(OPENINGS.slice(losing ? 1 : 0)),
    batches: Array.from({ length: count }, (_, index): Batch => {
      const requests = losing && index === 0
        ? requestsOf(random.pick(SUBSCRIPTIONS), random, subjects)
        : randomRequests(random, subjects, kinds);
      const change = failover
        ? index === failing ? "failover" : undefined
        : losing
        ? index === 1 ? "leaves" : undefined
        : random.pick(CHANGES);
      const changeFirst = random.chance(0.6) || mayWait(requests, before);
      before.push(...requests);
      return {
        requests,
        change,
        changeFirst,
        proxiedFirst: random.chance(0.5),
        cutAfter: random.int(100) / 100,
      };
    }),
  };
}

const OPENINGS: readonly Scenario["opening"][] = [
  ...["unauthenticated", "authenticated", "authenticated", "RESP3", "RESP3"] as const,
];

const CHANGES: readonly (Change | undefined)[] = [
  ...["leaves", "leaves", "migrates", "returns", "settles", undefined] as const,
];

/** Subscriptions to channels of a slot that leaves. */
const SUBSCRIPTIONS = [
  "SSUBSCRIBE c§{move}",
  "SSUBSCRIBE c§{move} d§{move}",
  "SSUBSCRIBE c§{move} | SSUBSCRIBE c§{stay} | SUBSCRIBE a§",
  "SSUBSCRIBE c§{move} | AUTH mute mute",
];

/**
 * Whether the proxy may hold back some requests until it knows whether a MULTI was refused: a
 * change after the pipeline would then happen within it.
 */
function mayWait(requests: readonly Request[], before: readonly Request[]): boolean {
  return DOUBTFUL.test(requests.join(" ")) && /MULTI/i.test([...before, ...requests].join(" "));
}

/** Leaves out each part of a scenario without which the same kind of fault occurs. */
export async function shrunk(
  scenario: Scenario,
  kind: Fault["kind"],
  play: (scenario: Scenario) => Promise<Outcome>,
): Promise<Scenario> {
  let least = scenario;
  async function tries(batches: readonly Batch[]): Promise<boolean> {
    const candidate = { ...least, batches };
    if ((await play(candidate)).fault?.kind !== kind) return false;
    least = candidate;
    return true;
  }
  for (let at = least.batches.length - 1; at >= 0; at--) {
    if (least.batches.length > 1) await tries(least.batches.toSpliced(at, 1));
  }
  for (let at = 0; at < least.batches.length; at++) {
    for (let index = least.batches[at]!.requests.length - 1; index >= 0; index--) {
      const batch = least.batches[at]!;
      await tries(
        least.batches.with(at, { ...batch, requests: batch.requests.toSpliced(index, 1) }),
      );
    }
    const batch = least.batches[at]!;
    if (batch.change) await tries(least.batches.with(at, { ...batch, change: undefined }));
  }
  return least;
}

/** A scenario as readable text. */
export function shownScenario({ opening, batches }: Scenario): string {
  return batches.map(({ requests, change, changeFirst }, index) => {
    const written = requests.map(shownRequest).join(" | ") || "nothing";
    const [before, after] = changeFirst ? [change, undefined] : [undefined, change];
    const parts = [before && `(slot: ${before})`, written, after && `(slot: ${after})`];
    return `  ${index === 0 ? opening : "then"}: ${parts.filter(Boolean).join(" ")}`;
  }).join("\n");
}

/** Waits until a failover is over, and returns the new primary. */
export async function settle(stage: Stage, [one, other]: readonly [ClusterNode, ClusterNode]) {
  await stage.cluster.ready();
  return await until("there is one primary", async () => {
    const primaries = (await stage.cluster.standings()).filter(({ role }) => role === "primary");
    return primaries.find(({ node }) => node === one || node === other)?.node;
  }, CLUSTER_DEADLINE_MS);
}
