import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { Byte } from "../../src/resp/bytes.ts";
import type { FrameHead } from "../../src/relay/frame_head.ts";
import { COMMANDS } from "../../src/commands/command_spec.ts";
import { PairingError } from "../../src/relay/pairing_error.ts";
import { ReplyTracker } from "../../src/relay/reply_tracker.ts";
import { ExpectedReplies, type ExpectedReply } from "../../src/commands/expected_reply.ts";
import { Logged } from "../support/logged.ts";
import { Scene } from "../support/scripted_node.ts";

/** Number of outstanding runs of replies, and the factor for the second measurement. */
const RUNS = 1000;
const TIMES = 64;

/** The limit of the ratio of times; a linear search would take TIMES. */
const TIMES_LIMIT = 8;

/** The minimum of several measurements is the least disturbed one. */
const TRIES = 7;

const FRAMES = 300;

function frame(type: number, more: Partial<FrameHead> = {}): FrameHead {
  return { type, text: "", cut: false, count: 0, first: "", second: "", ...more };
}

function answer(tracker: ReplyTracker, head: FrameHead): void {
  const { type } = tracker.match(head);
  if (type === "confirm") tracker.confirm(1);
  tracker.frameEnded();
}

const OK = frame(Byte.status, { text: "OK" });
const QUEUED = frame(Byte.status, { text: "QUEUED" });
const NOAUTH = frame(Byte.error, { text: "NOAUTH Authentication required." });
const ERR = frame(Byte.error, { text: "ERR wrong number of arguments for 'role' command" });

function subscription(command: "subscribe" | "ssubscribe" | "psubscribe"): ExpectedReply {
  return { type: "subscription", command, channels: 1 };
}

function pushed(command: string): FrameHead {
  return frame(Byte.push, { first: command, count: 3 });
}

const ROLE: ExpectedReply = { type: "ordinary", addresses: "role" };
const SLOTS: ExpectedReply = { type: "ordinary", addresses: "slots" };
const MARKED: ExpectedReply = { type: "marked", reply: ExpectedReplies.none, nonce: "mark" };

interface Backlog {
  /** Makes this number of runs outstanding. */
  fill(tracker: ReplyTracker, runs: number): void;
  /** The frame that then comes again and again. */
  next(tracker: ReplyTracker): void;
}

function expectAll(tracker: ReplyTracker, runs: number, kinds: readonly ExpectedReply[]): void {
  for (let run = 0; run < runs; run++) tracker.expect(kinds[run % kinds.length]!);
}

const BACKLOGS: Record<string, Backlog> = {
  "errors that may be those of a request or of its marker": {
    fill: (tracker, runs) => expectAll(tracker, runs, [MARKED, ROLE]),
    next: (tracker) => answer(tracker, NOAUTH),
  },
  "errors of requests that SKIP hides": {
    fill: (tracker, runs) =>
      expectAll(tracker, runs * 3 / 2, [
        ExpectedReplies.replySkip,
        ExpectedReplies.plain,
        ROLE,
      ]),
    next: (tracker) => answer(tracker, ERR),
  },
  "waits for an AUTH in a long transaction": {
    fill(tracker, runs) {
      tracker.expect(ExpectedReplies.multi);
      answer(tracker, OK);
      for (let run = 0; run < runs; run++) {
        tracker.expect(run % 2 === 0 ? ROLE : SLOTS);
        answer(tracker, QUEUED);
      }
    },
    next(tracker) {
      tracker.expect(ExpectedReplies.plain);
      tracker.drained();
      answer(tracker, QUEUED);
    },
  },
  "losses of shard channels among requests for others": {
    fill(tracker, runs) {
      tracker.expect(subscription("ssubscribe"));
      answer(tracker, pushed("ssubscribe"));
      expectAll(tracker, runs, [subscription("subscribe"), subscription("psubscribe")]);
    },
    next: (tracker) => answer(tracker, pushed("sunsubscribe")),
  },
};

/** The minimum time of FRAMES further frames, in milliseconds. */
function leastMs({ fill, next }: Backlog, runs: number): number {
  let leastMs = Infinity;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const tracker = new ReplyTracker();
    fill(tracker, runs);
    const beganAtMs = performance.now();
    for (let frames = 0; frames < FRAMES; frames++) next(tracker);
    leastMs = Math.min(leastMs, performance.now() - beganAtMs);
  }
  return leastMs;
}

for (const [what, backlog] of Object.entries(BACKLOGS)) {
  Deno.test(`${what} take constant time, however many replies are outstanding`, () => {
    const [few, many] = [leastMs(backlog, RUNS), leastMs(backlog, RUNS * TIMES)];
    const times = (many / few).toFixed(1);
    assert(many < TIMES_LIMIT * few, `With ${TIMES} times as much it is ${times} times as long`);
  });
}

/** Around the limit of outstanding runs. */
const FEW_RUNS = 90_000;
const MANY_RUNS = 110_000;

Deno.test("a client with too many outstanding requests is closed, and no other", async () => {
  using logged = new Logged();
  await using scene = await Scene.start();
  const other = await scene.open();
  const { client, peer } = await scene.open();
  const requests = "PING\r\nROLE\r\n";
  const sent = client.send(requests.repeat(MANY_RUNS / 2), 30_000).catch(() => {
    // The proxy closes the connection.
  });
  const got = await peer.skip(Infinity, 30_000);
  assert(got >= requests.length * FEW_RUNS / 2, `The node got ${got} bytes only`);
  await sent;
  assertEquals(await client.readToEnd(), "");
  const lines = await logged.untilLines(1);
  assertMatch(
    lines.join("\n"),
    /^warning Closing client 2 at .*: The client sent more than 100000 requests [^\n]*$/,
  );
  await scene.assertServes(other);
  await scene.assertNothingLeft(other);
});

Deno.test("queued requests of a transaction count as outstanding", () => {
  const tracker = new ReplyTracker();
  function queue(runs: number): void {
    for (let run = 0; run < runs; run++) {
      tracker.expect(run % 2 === 0 ? ROLE : SLOTS);
      answer(tracker, QUEUED);
    }
  }
  tracker.expect(ExpectedReplies.multi);
  answer(tracker, OK);
  queue(FEW_RUNS);
  assertThrows(() => queue(MANY_RUNS - FEW_RUNS), PairingError);
});

Deno.test("any number of subscriptions may be outstanding", () => {
  const tracker = new ReplyTracker();
  const name = new TextEncoder().encode("subscribe");
  const { reply } = COMMANDS.find(name, 0, name.length)!;
  for (let channel = 0; channel < MANY_RUNS; channel++) tracker.expect(reply([], 2));
  for (let channel = 0; channel < MANY_RUNS; channel++) answer(tracker, pushed("subscribe"));
  assertThrows(() => answer(tracker, pushed("psubscribe")), PairingError);
});
