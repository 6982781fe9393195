import { fromLatin1 } from "../../../src/resp/bytes.ts";
import { decodeFrame, itemsOf, textOf, type Value } from "../../../src/resp/frame.ts";
import type { ClusterNode } from "../../support/cluster.ts";
import { namedInLines, namedInSlots, type NamedNode } from "../../support/named_nodes.ts";
import { type Random, seededRandom } from "../../support/random.ts";
import { slotOf } from "../../support/slots.ts";
import { until } from "../../support/until.ts";
import { WireClient } from "../../support/wire.ts";
import { CLOSED_BY_NODE, type Fault, privateIn } from "./compared.ts";
import type { Report } from "./report.ts";
import { PASSWORD, requestsOf, TEXTS, textsLike, USERS, wireOf } from "./requests.ts";
import { PUBLIC_HOST, type Stage, tagsOf } from "./stage.ts";

/** Options of a run. */
export interface MovingOptions {
  /** Number of pipelines, at least. */
  readonly count: number;
  readonly seed: number;
  readonly report: Report;
}

const CLIENTS = 6;

const MOST_PIPELINES = 8;

const STAY_MS = { least: 1, most: 8 };

/** The replica has to follow its new primary before the next failover. */
const FAILOVER_PAUSE_MS = 1_000;

const LINK_DEADLINE_MS = 30_000;

/** A node, and the keys that clients use there. */
interface Target {
  readonly node: ClusterNode;
  readonly stay: string;
  readonly move: string;
  /** The values of the keys `text0`, `text1` and so on. */
  readonly texts: readonly string[];
}

/**
 * Requests as in `requests.ts`, and the pattern of all their replies as letters of `letterOf`,
 * without frames that may come at any time. `%N%` stands for the number of a text.
 */
type Step = readonly [requests: string, answer: string];

/**
 * Requests inside MULTI, and their replies if RESP2 refuses MULTI to a subscriber. A slot that
 * leaves makes one or all of them fail.
 */
function transaction(requests: string, answers: string): Step {
  const { length } = requests.split(" | ");
  return [
    `MULTI | ${requests} | EXEC`,
    `O[QE]{${length}}(\\[${answers}\\]|E)|E[${answers}E]{${length}}E`,
  ];
}

/**
 * Almost all may be refused to a subscriber of RESP2, which stops being one when its last slot
 * leaves: a row of errors may end at any request.
 */
const STEPS: readonly Step[] = [
  ["SSUBSCRIBE c§{move}", "[SE]"],
  ["SSUBSCRIBE c§{move}", "[SE]"],
  ["SSUBSCRIBE c§{move} d§{move}", "SS|E"],
  ["SSUBSCRIBE c§{stay}", "[SE]"],
  // An end by the node looks like a reply.
  ["SUNSUBSCRIBE c§{move}", "E?"],
  // The slot may leave while BLPOP blocks.
  [
    "SSUBSCRIBE c§{move} | BLPOP none{move} 0.005 | SUNSUBSCRIBE c§{move} | CLUSTER SLOTS",
    "[SE]([0-9nE]E?)[LE]",
  ],
  ["SUNSUBSCRIBE c§{move} d§{move}", "E?"],
  ["SUNSUBSCRIBE", ""],
  ["SUNSUBSCRIBE c§{move} | CLUSTER SLOTS", "E?[LE]"],
  ["SUNSUBSCRIBE c§{move} | GET text0{stay} | INFO", "E?[0E][IE]"],
  ["SPUBLISH c§{move} m", "[iE]"],
  ["CLUSTER SLOTS", "[LE]"],
  ["CLUSTER NODES", "[NE]"],
  ["INFO", "[IE]"],
  ["GET text%N%{stay}", "[%N%E]"],
  ["EVAL \"return redis.call('GET', KEYS[1])\" 1 text%N%{stay}", "[%N%E]"],
  ["GET k{move}", "[nE]"],
  ["BLPOP none{move} 0.01", "[nE]"],
  ["WATCH k{move}", "[OE]"],
  transaction("CLUSTER SLOTS | GET text%N%{stay}", "L%N%"),
  transaction("GET k{move} | CLUSTER SLOTS", "nL"),
  ["CLIENT REPLY SKIP | CLUSTER SLOTS | CLIENT REPLY ON", "O|E[LE][OE]"],
  ["CLIENT REPLY SKIP | CLUSTER NODES | CLUSTER SLOTS", "[LE]|E[NE][LE]"],
  [
    "CLIENT REPLY OFF | CLUSTER SLOTS | SPUBLISH c§{move} m | INFO | CLIENT REPLY ON",
    "O|E[LE][iE][IE][OE]",
  ],
  ["CLIENT REPLY OFF | SUNSUBSCRIBE c§{move} | CLUSTER SLOTS | CLIENT REPLY ON", "O|EE?[LE][OE]"],
  // The server may drop the error of a wrong password.
  ["CLUSTER SLOTS | AUTH wrong | CLUSTER SLOTS", "[LE][WE]?[LE]"],
  [`AUTH ${PASSWORD} | CLUSTER SLOTS`, "[OE][LE]"],
  ["HELLO 3", "[HE]"],
  [`HELLO 2 AUTH default ${PASSWORD}`, "[HE]"],
  ["EVAL \"return redis.error_reply('MOVED 1 10.77.0.1:7000')\" 0", "E"],
];

/**
 * Comes only first: an unauthenticated client with more than 1 KiB of unsent replies is closed
 * (networking.c `checkClientOutputBufferLimits`, Redis 7.0.15 too).
 */
const RESET: Step = [`RESET | AUTH ${PASSWORD}`, "RO"];

/** The share of pipelines with RESET. */
const RESET_SHARE = 0.1;

/** Users; `mute` may not send PING, so its pipelines end differently. */
const WHO = ["default", "default", "default", "mute"];

/** Sends random pipelines through the proxy while slots and primaries change all the time. */
export async function movePipelines(stage: Stage, options: MovingOptions): Promise<void> {
  const targets = await Promise.all(stage.cluster.nodes.map((node) => targetOf(stage, node)));
  let over = false;
  const isOver = () => over;
  const random = seededRandom(options.seed);
  const changes = [
    ...targets.slice(0, 2).map((target, index) => {
      const otherId = targets[1 - index]!.node.id;
      const random = seededRandom(options.seed + index);
      return moveSlot(target, { otherId, random, isOver, report: options.report });
    }),
    failOver(stage, isOver, options.report),
  ];
  try {
    await Promise.all(Array.from({ length: CLIENTS }, async (_, index) => {
      const own = seededRandom(options.seed + 100 + index);
      for (let visit = 0; options.report.pipelines < options.count; visit++) {
        // The token marks the keys and channels of one connection.
        const token = `x${index}y${visit}z`;
        await visitNode(stage, random.pick(targets), { ...options, random: own, token });
      }
    }));
  } finally {
    over = true;
    await Promise.all(changes);
  }
}

async function targetOf(stage: Stage, node: ClusterNode): Promise<Target> {
  const standings = await stage.cluster.standings();
  const { primary } = standings.find((standing) => standing.node === node)!;
  const owner = standings.find((standing) => standing.node === (primary ?? node))!;
  const slots = new Set(owner.slots);
  const tags = tagsOf((slot) => slots.has(slot));
  const [stay, move] = [tags.next().value!, tags.next().value!];
  const texts = textsLike(owner.node);
  for (const [index, text] of texts.entries()) {
    await owner.node.order("SET", `text${index}{${stay}}`, text);
  }
  return { node, stay, move, texts };
}

/** Gives a slot away and takes it back, as its node sees it. */
async function moveSlot(
  { node, move }: Target,
  { otherId, random, isOver, report }: {
    otherId: string;
    random: Random;
    isOver: () => boolean;
    report: Report;
  },
): Promise<void> {
  using admin = await node.connect();
  const slot = `${slotOf(move)}`;
  while (!isOver()) {
    for (const args of [["NODE", otherId], ["NODE", node.id]]) {
      await admin.ask("CLUSTER", "SETSLOT", slot, ...args);
      report.count("moves of a slot");
      const stayMs = STAY_MS.least + random.int(STAY_MS.most - STAY_MS.least);
      await new Promise((resolve) => setTimeout(resolve, stayMs));
    }
  }
}

/** Fails over again and again, each time once the replica follows. */
async function failOver(
  { cluster }: Stage,
  isOver: () => boolean,
  report: Report,
): Promise<void> {
  const pair = cluster.nodes.slice(2);
  while (!isOver()) {
    const replica = await until("a replica follows its primary", async () => {
      const infos = await Promise.all(pair.map((node) => node.order("INFO", "replication")));
      return pair.find((_, index) => textOf(infos[index])?.includes("master_link_status:up"));
    }, LINK_DEADLINE_MS);
    await replica.order("CLUSTER", "FAILOVER", "TAKEOVER");
    report.count("failovers");
    const end = performance.now() + FAILOVER_PAUSE_MS;
    await until("the next failover is due", () => isOver() || performance.now() >= end);
  }
}

/** Uses one connection from its start to its end. */
async function visitNode(
  stage: Stage,
  target: Target,
  { random, token, count, report }: MovingOptions & { random: Random; token: string },
): Promise<void> {
  const logged = stage.nat.stderr.length;
  using client = await WireClient.connect(PUBLIC_HOST, stage.portOf(target.node));
  const user = random.pick(WHO);
  await client.ask("AUTH", user, user in USERS ? user : PASSWORD);
  if (random.chance(0.5)) await client.ask("HELLO", "3");
  for (let left = 1 + random.int(MOST_PIPELINES); left > 0 && report.pipelines < count; left--) {
    const steps = Array.from({ length: 1 + random.int(4) }, (): Step => {
      const number = `${random.int(TEXTS)}`;
      const [row, answer] = random.pick(STEPS).map((text) => text.replaceAll("%N%", number));
      return [row!, answer!];
    });
    if (random.chance(RESET_SHARE)) steps.unshift(RESET);
    const marks = steps.map((_, index) => `mark${left}-${index}-${token}`);
    // RESP2 refuses EVAL to a subscriber; `mute` may not send PING.
    const requests = steps.flatMap(([row], index) =>
      requestsOf(
        `${row} | PING ${marks[index]} | EVAL "return '${marks[index]}'" 0`,
        random,
        target,
      )
    );
    const sent = requests.map((request) => wireOf(request, { token, id: "" })).join("");
    const replies = await exchange(client, sent, marks);
    const fault = await faultOf(replies, { steps, target, stage, client, logged });
    const note = replies.ended === "closed" && !fault ? CLOSED_BY_NODE : undefined;
    report.add(1, { compared: replies.frames.length, fault, note });
    if (fault !== undefined) report.show(requests.join(" | "), fault);
    if (fault !== undefined || replies.ended) return;
  }
}

/** The replies to a pipeline. */
interface Exchange {
  readonly frames: readonly string[];
  /** The same for each step, without the replies to marks. */
  readonly parts: readonly (readonly string[])[];
  /** Why it ended before the last mark. */
  readonly ended: "closed" | "hangs" | "loads" | undefined;
}

/** Sends a pipeline, and reads up to the last mark. */
async function exchange(
  client: WireClient,
  sent: string,
  marks: readonly string[],
): Promise<Exchange> {
  const frames: string[] = [];
  const parts: string[][] = [];
  try {
    await client.send(sent);
    for (const mark of marks) {
      const part: string[] = [];
      parts.push(part);
      // PING and EVAL may each be refused.
      for (let ends = 0; ends < 2;) {
        const [frame] = await client.readFrames(1);
        frames.push(frame!);
        if (frame!.startsWith("-LOADING ")) return { frames, parts, ended: "loads" };
        const isRefused = /^-NOPERM .*'ping'/i.test(frame!) || (ends > 0 && frame!.startsWith("-"));
        if (frame!.includes(mark) || isRefused) ends++;
        else part.push(frame!);
      }
    }
    return { frames, parts, ended: undefined };
  } catch (error) {
    const isClosed = String(error).includes("has ended") || error instanceof Deno.errors.BrokenPipe;
    return { frames, parts, ended: isClosed ? "closed" : "hangs" };
  }
}

async function faultOf(
  { frames, parts, ended }: Exchange,
  { steps, target, stage, client, logged }: {
    steps: readonly Step[];
    target: Target;
    stage: Stage;
    client: WireClient;
    logged: number;
  },
): Promise<Fault | undefined> {
  const proxied = frames.join("");
  const fault = (kind: Fault["kind"], description: string): Fault => {
    return { kind, description, direct: "", proxied };
  };
  const leak = privateIn(proxied, stage.cluster.network);
  if (leak !== undefined) return fault("leak", leak);
  const whole = ended === undefined ? parts : parts.slice(0, -1);
  for (const [index, part] of whole.entries()) {
    const [sent, answer] = steps[index]!;
    const values = part.map((frame) => decodeFrame(fromLatin1(frame)));
    const letters = values.map((value) => letterOf(value, target, stage)).join("");
    if (new RegExp(`^(${answer})$`).test(letters)) continue;
    return fault("differs", `'${sent}' got '${letters}', expected ${answer}`);
  }
  if (ended === "hangs") return fault("hangs", "a reply is missing");
  // A failover also closes blocked clients of direct connections.
  if (ended !== "closed" || frames.at(-1)?.startsWith("-UNBLOCKED ")) return undefined;
  const reason = await stage.reasonOf(client.localAddress, logged);
  return fault("closed", reason ?? "the log has no reason");
}

/** Returns a letter for a frame; none for a frame that may come at any time. */
function letterOf(value: Value, target: Target, stage: Stage): string {
  const text = textOf(value);
  const items = itemsOf(value);
  switch (value.type) {
    case "-":
      if (value.text.startsWith("WRONGPASS ")) return "W";
      return isPublic(value.text, stage) ? "E" : `(${value.text})`;
    case "+":
      return { OK: "O", QUEUED: "Q", RESET: "R", PONG: "P" }[value.text] ?? "?";
    case ":":
      return "i";
    case "_":
      return "n";
  }
  if (items !== undefined) {
    const kind = textOf(items[0]);
    if (kind === "sunsubscribe" || kind === "smessage") return "";
    if (kind === "ssubscribe") return "S";
    if (kind === "server") return "H";
    if (items.length > 0 && itemsOf(items[0])?.[0]?.type === ":") {
      return areNodes(namedInSlots(value), stage) ? "L" : "l";
    }
    return `[${items.map((item) => letterOf(item, target, stage)).join("")}]`;
  }
  if (text === undefined) return "n";
  const stored = target.texts.indexOf(text);
  if (stored >= 0) return `${stored}`;
  if (text.startsWith("# Server\r\n")) {
    return text.includes(`\r\ntcp_port:${stage.portOf(target.node)}\r\n`) ? "I" : "(INFO)";
  }
  if (/^[0-9a-f]{40} /.test(text)) return areNodes(namedInLines(value), stage) ? "N" : "(NODES)";
  return `(${text.slice(0, 40)})`;
}

/** Whether a redirect, if it is one, leads to the public port of a node. */
function isPublic(text: string, stage: Stage): boolean {
  const port = /^(?:MOVED|ASK) \d+ 127\.0\.0\.1:(\d+)$/.exec(text)?.[1];
  if (port === undefined) return !/^(MOVED|ASK) /.test(text) || text.endsWith(" 10.77.0.1:7000");
  return stage.nodes.some(({ publicPort }) => publicPort === Number(port));
}

function areNodes(named: readonly NamedNode[], stage: Stage): boolean {
  return named.every(({ id, port, hosts }) => {
    const node = stage.cluster.nodes.find((node) => node.id === id);
    return node !== undefined && stage.portOf(node) === port &&
      hosts.every((host) => host === PUBLIC_HOST);
  });
}
