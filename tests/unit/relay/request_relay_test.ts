import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Byte, toLatin1 } from "../../../src/resp/bytes.ts";
import type { FrameHead } from "../../../src/relay/frame_head.ts";
import { PairingError } from "../../../src/relay/pairing_error.ts";
import { ReplyTracker } from "../../../src/relay/reply_tracker.ts";
import { BufferPool } from "../../../src/relay/read_buffer.ts";
import { RequestRelay } from "../../../src/relay/request_relay.ts";
import { FairReadScheduler } from "../../../src/proxy/read_scheduler.ts";
import {
  converse,
  MARKER,
  PRIVATE_HOST,
  PUBLIC_HOST,
  REWRITING,
  SMALL_BUFFER_BYTES,
  wireOf,
} from "../../support/conversation.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { Feed, untilIdle } from "../../support/feed.ts";
import { within } from "../../support/until.ts";

const LONG = "x".repeat(1_500);

/** The arguments of MIGRATE after the address, with line ends that no encoder writes. */
const LOOSE_END = "$1\r\nk**$1\r\n0\r\n$1\r\n9\r\n";

/** For each case the bytes that a client sends and those that the node gets. */
const REQUESTS: Record<string, [sent: string, forwarded: string]> = {
  "the first arguments are rewritten": [
    wireOf(["MIGRATE public.example 1 k 0 9"]),
    wireOf(["MIGRATE 10.0.0.1 1 k 0 9"]),
  ],
  "the bytes after the first arguments are unchanged": [
    `*6\r\n$7\r\nMIGRATE\r\n$14\r\npublic.example$$$1\r\n1\r\n${LOOSE_END}`,
    `*6\r\n$7\r\nMIGRATE\r\n$8\r\n10.0.0.1\r\n$1\r\n1\r\n${LOOSE_END}`,
  ],
  "unchanged: requests without a public address": [
    `*6\r\n$7\r\nMIGRATExx$8\r\n10.0.0.2\r\n$1\r\n1\r\n${LOOSE_END}FAILOVER  "a"\n`,
    `*6\r\n$7\r\nMIGRATExx$8\r\n10.0.0.2\r\n$1\r\n1\r\n${LOOSE_END}FAILOVER  "a"\n`,
  ],
  "unchanged: a public address in other requests": [
    wireOf(["GET public.example", "CLUSTER FORGET public.example", "ECHO MIGRATE public.example"]),
    wireOf(["GET public.example", "CLUSTER FORGET public.example", "ECHO MIGRATE public.example"]),
  ],
  "CLUSTER MEET gets the bus port as an additional argument": [
    wireOf(["CLUSTER MEET public.example 1", "PING"]),
    wireOf(["CLUSTER MEET 10.0.0.1 1 17000", "PING"]),
  ],
  "inline requests are rewritten as arrays": [
    `cluster "meet" 'public.example' 1\r\nMIGRATE public.example 1 k 0 9 AUTH p\nPING\r\n`,
    wireOf(["cluster meet 10.0.0.1 1 17000", "MIGRATE 10.0.0.1 1 k 0 9 AUTH p"]) + "PING\r\n",
  ],
  "requests in a pipeline are rewritten in order": [
    wireOf(["GET a", "FAILOVER TO public.example 1", "MIGRATE public.example 1", "GET b", "ROLE"]),
    wireOf(["GET a", "FAILOVER TO 10.0.0.1 1", "MIGRATE 10.0.0.1 1", "GET b", "ROLE"]),
  ],
  "a request that is longer than the buffer is rewritten": [
    wireOf([`CLIENT KILL ${LONG} public.example ${LONG}`, "GET a"]),
    wireOf([`CLIENT KILL ${LONG} 10.0.0.1 ${LONG}`, "GET a"]),
  ],
  "CLIENT REPLY OFF and SKIP become ON": [
    wireOf(["CLIENT REPLY OFF", "client Reply sKIP", "MIGRATE public.example 1 k 0 9"]),
    wireOf(["CLIENT REPLY on", "client Reply on", "MIGRATE 10.0.0.1 1 k 0 9"]),
  ],
  "inline CLIENT REPLY OFF becomes ON": [
    `CLIENT "reply" 'off'\r\nMIGRATE public.example 1 k 0 9\n`,
    wireOf(["CLIENT reply on", "MIGRATE 10.0.0.1 1 k 0 9"]),
  ],
  "CLIENT REPLY ON and invalid CLIENT REPLY are forwarded": [
    wireOf(["CLIENT REPLY ON", "CLIENT REPLY OFF x", "CLIENT REPLY", "REPLICAOF public.example 1"]),
    wireOf(["CLIENT REPLY ON", "CLIENT REPLY OFF x", "CLIENT REPLY", "REPLICAOF 10.0.0.1 1"]),
  ],
  "unchanged: an incomplete request when the client ends": [
    wireOf(["GET a", "FAILOVER TO public.example 1"]).slice(0, -1),
    wireOf(["GET a", "FAILOVER TO public.example 1"]).slice(0, -1),
  ],
  "unchanged: a request with a protocol error": [
    "*5\r\n$7\r\nMIGRATE\r\n$14\r\npublic.example\r\n:1\r\n",
    "*5\r\n$7\r\nMIGRATE\r\n$14\r\npublic.example\r\n:1\r\n",
  ],
};

for (const [name, [sent, forwarded]] of Object.entries(REQUESTS)) {
  Deno.test(`${name}, in pieces of any size`, async () => {
    assert(forwarded.includes(PRIVATE_HOST) || name.startsWith("unchanged"));
    for (let requestBytes = 1; requestBytes <= sent.length; requestBytes++) {
      if (requestBytes > 200 && requestBytes < sent.length) continue;
      for (const bufferBytes of [SMALL_BUFFER_BYTES, 16 * 1024]) {
        const reception = { cuts: [], bufferBytes, requestBytes };
        const { upstream } = await converse([[sent]], reception);
        assertEquals(upstream, forwarded, `in pieces of ${requestBytes} bytes`);
      }
    }
  });
}

/** Starts a relay without a session; the test gives the replies to the tracker. */
function startRelay(tracker: ReplyTracker, unreadBytes: (number | undefined)[] = []) {
  const client = new Feed(1000);
  const got = { upstream: "" };
  const relay = new RequestRelay({
    client,
    upstream: {
      write(bytes) {
        got.upstream += toLatin1(bytes);
        return Promise.resolve(bytes.length);
      },
    },
    tracker,
    buffers: new BufferPool(SMALL_BUFFER_BYTES),
    scheduler: new FairReadScheduler(),
    rewriter: REWRITING,
    unreadReplies: () => unreadBytes.shift(),
    createNonce: () => "mark",
    trafficLog: undefined,
  });
  return { client, got, done: relay.run() };
}

const HEAD: FrameHead = { type: 0, text: "", cut: false, count: 0, first: "", second: "" };

function answer(tracker: ReplyTracker, type: number, text: string): void {
  tracker.match({ ...HEAD, type, text });
  tracker.frameEnded();
}

Deno.test("after the beginning of a stream, bytes are forwarded at once", async () => {
  const tracker = new ReplyTracker();
  const { client, got, done } = startRelay(tracker);
  let sent = wireOf(["PSYNC ? -1"]);
  client.give(sent);
  await untilIdle();
  answer(tracker, Byte.status, "CONTINUE");
  for (const text of ["MIGR", "ATE", " public.example", wireOf(["CLIENT REPLY OFF", "AUTH x"])]) {
    client.give(text);
    sent += text;
    await untilIdle();
    assertEquals(got.upstream, sent);
  }
  client.end();
  await done;
});

Deno.test("held bytes are forwarded when a stream has begun meanwhile", async () => {
  const tracker = new ReplyTracker();
  const { client, got, done } = startRelay(tracker);
  client.give(wireOf(["PSYNC ? -1"]) + "MIGR");
  await untilIdle();
  answer(tracker, Byte.status, "CONTINUE");
  client.give("ATE x");
  await untilIdle();
  client.end();
  await done;
  assertEquals(got.upstream, wireOf(["PSYNC ? -1"]) + "MIGRATE x");
});

Deno.test("a header with many arguments is forwarded before they come", async () => {
  const { client, got, done } = startRelay(new ReplyTracker());
  client.give("*10\r\n");
  await untilIdle();
  assertEquals(got.upstream, "");
  client.give("$3\r\nSET" + "\r\n$1\r\na".repeat(9) + "\r\n*11\rx");
  await untilIdle();
  assert(got.upstream.endsWith("*11\rx"), got.upstream);
  client.give(`$7\r\nMIGRATE\r\n$14\r\n${PUBLIC_HOST}\r\n$1\r\n1\r\n`);
  await untilIdle();
  assert(got.upstream.endsWith(`*11\rx$7\r\nMIGRATE\r\n$8\r\n${PRIVATE_HOST}\r\n$1\r\n1\r\n`));
  client.end();
  await done;
});

Deno.test("AUTH after MULTI waits for the reply to MULTI", async () => {
  const [multi, auth, exec] = ["MULTI", "AUTH p", "EXEC"].map((request) => wireOf([request]));
  const mark = wireOf([MARKER]);
  for (const isRefused of [false, true]) {
    const tracker = new ReplyTracker();
    const { client, got, done } = startRelay(tracker);
    client.give(multi! + auth + exec);
    await untilIdle();
    assertEquals(got.upstream, multi! + auth!.slice(0, -1));
    if (isRefused) answer(tracker, Byte.error, "NOPERM no");
    else answer(tracker, Byte.status, "OK");
    await untilIdle();
    assertEquals(got.upstream, multi! + auth + (isRefused ? mark + exec : exec + mark));
    client.end();
    await done;
  }
});

/** Advances the clock by `seconds`, and returns the error that ends the relay meanwhile. */
async function passSeconds(
  clock: FakeClock,
  seconds: number,
  done: Promise<void>,
): Promise<unknown> {
  let failure: unknown;
  done.catch((error) => failure = error);
  for (let second = 0; second < seconds && failure === undefined; second++) {
    clock.timers.pop()!.go();
    await untilIdle();
  }
  return failure;
}

Deno.test("AUTH after MULTI waits as long as a command blocks", async () => {
  using clock = new FakeClock("setTimeout");
  const tracker = new ReplyTracker();
  const { client, got, done } = startRelay(tracker);
  const requests = ["BLPOP a 60", "MULTI", "DISCARD", "AUTH p"];
  client.give(wireOf(requests));
  await untilIdle();
  assertEquals(await passSeconds(clock, 60, done), undefined);
  answer(tracker, Byte.null, "");
  answer(tracker, Byte.status, "OK");
  answer(tracker, Byte.status, "OK");
  await untilIdle();
  assertEquals(got.upstream, wireOf([...requests, MARKER]));
  client.end();
  await done;
});

Deno.test("AUTH after MULTI fails after 10 s if the client leaves replies unread", async () => {
  using clock = new FakeClock("setTimeout");
  // The client reads some replies, then none.
  const unread = [undefined, 100, 100, 200, ...Array<number>(20).fill(300)];
  const { client, done } = startRelay(new ReplyTracker(), unread);
  client.give(wireOf(["MULTI", "AUTH p"]));
  await untilIdle();
  assertEquals(await passSeconds(clock, 14, done), undefined);
  const failure = await passSeconds(clock, 1, done);
  assert(failure instanceof PairingError, String(failure));
  assertStringIncludes(failure.message, "unread for 10000 ms");
});

Deno.test("a relay that waits for the read scheduler drains at once", async () => {
  const scheduler = new FairReadScheduler();
  for (let read = 0; read < 128; read++) scheduler.recordRead();
  await Promise.resolve();
  assert(scheduler.isSaturated);
  let reads = 0;
  const relay = new RequestRelay({
    client: {
      read() {
        reads++;
        return Promise.resolve(null);
      },
    },
    upstream: { write: (bytes) => Promise.resolve(bytes.length) },
    tracker: new ReplyTracker(),
    buffers: new BufferPool(SMALL_BUFFER_BYTES),
    scheduler,
    rewriter: REWRITING,
    unreadReplies: () => undefined,
    createNonce: () => "mark",
    trafficLog: undefined,
  });
  const done = relay.run();
  assertEquals(reads, 0);
  await within("drain the relay", relay.drain(), 5_000);
  await done;
  assertEquals(reads, 1);
});
