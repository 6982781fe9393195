import { assert } from "@std/assert";
import { Byte } from "../../src/resp/bytes.ts";
import type { FrameHead } from "../../src/session/head.ts";
import { PendingReplies } from "../../src/session/pending.ts";
import { Replies, type Reply } from "../../src/session/replies.ts";

/** So many runs of replies are outstanding, and then so many times as many. */
const RUNS = 1000;
const TIMES = 64;

/** So much longer a frame may take then; where all is looked at it is TIMES, or so. */
const TIMES_LIMIT = 8;

/** The least time of several is that in which the machine did nothing else. */
const TRIES = 7;

const FRAMES = 300;

function frame(type: number, more: Partial<FrameHead> = {}): FrameHead {
  return { type, text: "", cut: false, count: 0, word: "", ...more };
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
  "errors that may refuse a REPLCONF": {
    fill: (pending, runs) => expectAll(pending, runs, [Replies.none, Replies.role]),
    next: (pending) => answer(pending, NOAUTH),
  },
  "errors behind requests that SKIP hides": {
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
  "losses of shard channels while replies are off": {
    fill(pending, runs) {
      pending.expect(subscription("ssubscribe"));
      answer(pending, pushed("ssubscribe"));
      pending.expect(Replies.replyOff);
      pending.expect(subscription("subscribe"));
      answer(pending, pushed("subscribe"));
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
