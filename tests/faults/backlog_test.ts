import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { Byte } from "../../src/resp/bytes.ts";
import type { FrameHead } from "../../src/relay/frame_head.ts";
import { COMMANDS } from "../../src/commands/table.ts";
import { PairingError, PendingReplies } from "../../src/relay/reply_tracker.ts";
import { Replies, type Reply } from "../../src/commands/expected_reply.ts";
import { Logged } from "../support/logged.ts";
import { Scene } from "../support/scripted_node.ts";

/** So many runs of replies are outstanding, and then so many times as many. */
const RUNS = 1000;
const TIMES = 64;

/** So much longer a frame may take then; where all is looked at it is TIMES, or so. */
const TIMES_LIMIT = 8;

/** The least time of several is that in which the machine did nothing else. */
const TRIES = 7;

const FRAMES = 300;

function frame(type: number, more: Partial<FrameHead> = {}): FrameHead {
  return { type, text: "", cut: false, count: 0, word: "", second: "", ...more };
}

function answer(pending: PendingReplies, head: FrameHead): void {
  const { type } = pending.judge(head);
  if (type === "confirm") pending.confirm(1);
  pending.ended();
}

const OK = frame(Byte.status, { text: "OK" });
const QUEUED = frame(Byte.status, { text: "QUEUED" });
const NOAUTH = frame(Byte.error, { text: "NOAUTH Authentication required." });
const ERR = frame(Byte.error, { text: "ERR wrong number of arguments for 'role' command" });

function subscription(word: "subscribe" | "ssubscribe" | "psubscribe"): Reply {
  return { type: "subscription", word, channels: 1 };
}

function pushed(word: string): FrameHead {
  return frame(Byte.push, { word, count: 3 });
}

const MARKED: Reply = { type: "marked", reply: Replies.none, nonce: "mark" };

interface Backlog {
  /** Has so many runs of replies outstanding. */
  fill(pending: PendingReplies, runs: number): void;
  /** What then comes again and again. */
  next(pending: PendingReplies): void;
}

function expectAll(pending: PendingReplies, runs: number, kinds: readonly Reply[]): void {
  for (let run = 0; run < runs; run++) pending.expect(kinds[run % kinds.length]!);
}

const BACKLOGS: Record<string, Backlog> = {
  "errors that may be those of a request or of its marker": {
    fill: (pending, runs) => expectAll(pending, runs, [MARKED, Replies.role]),
    next: (pending) => answer(pending, NOAUTH),
  },
  "errors of requests that SKIP hides": {
    fill: (pending, runs) =>
      expectAll(pending, runs * 3 / 2, [Replies.replySkip, Replies.plain, Replies.role]),
    next: (pending) => answer(pending, ERR),
  },
  "waits for an AUTH in a long transaction": {
    fill(pending, runs) {
      pending.expect(Replies.multi);
      answer(pending, OK);
      for (let run = 0; run < runs; run++) {
        pending.expect(run % 2 === 0 ? Replies.role : Replies.slots);
        answer(pending, QUEUED);
      }
    },
    next(pending) {
      pending.expect(Replies.plain);
      pending.settled();
      answer(pending, QUEUED);
    },
  },
  "losses of shard channels among requests for others": {
    fill(pending, runs) {
      pending.expect(subscription("ssubscribe"));
      answer(pending, pushed("ssubscribe"));
      expectAll(pending, runs, [subscription("subscribe"), subscription("psubscribe")]);
    },
    next: (pending) => answer(pending, pushed("sunsubscribe")),
  },
};

/** How long FRAMES times what comes next take at the least, in milliseconds. */
function leastMs({ fill, next }: Backlog, runs: number): number {
  let leastMs = Infinity;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const pending = new PendingReplies();
    fill(pending, runs);
    const beganAtMs = performance.now();
    for (let frames = 0; frames < FRAMES; frames++) next(pending);
    leastMs = Math.min(leastMs, performance.now() - beganAtMs);
  }
  return leastMs;
}

for (const [what, backlog] of Object.entries(BACKLOGS)) {
  Deno.test(`${what} take no longer for all that is outstanding`, () => {
    const [few, many] = [leastMs(backlog, RUNS), leastMs(backlog, RUNS * TIMES)];
    const times = (many / few).toFixed(1);
    assert(many < TIMES_LIMIT * few, `With ${TIMES} times as much it is ${times} times as long`);
  });
}

/** A proxy remembers no more than some runs of requests of a kind. */
const FEW_RUNS = 90_000;
const MANY_RUNS = 110_000;

Deno.test("a client that leaves too much unanswered is closed, and no other", async () => {
  using logged = new Logged();
  await using scene = await Scene.start();
  const other = await scene.open();
  const { client, peer } = await scene.open();
  const requests = "PING\r\nROLE\r\n";
  const sent = client.send(requests.repeat(MANY_RUNS / 2), 30_000).catch(() => {
    // The proxy had seen enough.
  });
  const got = await peer.skip(Infinity, 30_000);
  assert(got >= requests.length * FEW_RUNS / 2, `The node got ${got} bytes only`);
  await sent;
  assertEquals(await client.readToEnd(), "");
  const lines = await logged.untilLines(1);
  assertMatch(lines.join("\n"), /^warning Client 2 at .*: More than 100000 times [^\n]*$/);
  await scene.assertServes(other);
  other.client.close();
  await scene.assertNothingLeft();
});

Deno.test("a transaction counts among what is unanswered", () => {
  const pending = new PendingReplies();
  function queue(runs: number): void {
    for (let run = 0; run < runs; run++) {
      pending.expect(run % 2 === 0 ? Replies.role : Replies.slots);
      answer(pending, QUEUED);
    }
  }
  pending.expect(Replies.multi);
  answer(pending, OK);
  queue(FEW_RUNS);
  assertThrows(() => queue(MANY_RUNS - FEW_RUNS), PairingError);
});

Deno.test("any number of subscriptions may be unanswered", () => {
  const pending = new PendingReplies();
  const name = new TextEncoder().encode("subscribe");
  const { reply } = COMMANDS.find(name, 0, name.length)!;
  for (let channel = 0; channel < MANY_RUNS; channel++) pending.expect(reply([], 2));
  for (let channel = 0; channel < MANY_RUNS; channel++) answer(pending, pushed("subscribe"));
  assertThrows(() => answer(pending, pushed("psubscribe")), PairingError);
});
