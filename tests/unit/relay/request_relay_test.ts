import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Byte, fromLatin1, toLatin1 } from "../../../src/resp/bytes.ts";
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

/**
 * Requests in which HOST is the public host, and the private one for the node; or the bytes that a
 * client sends and, if they differ, those that the node gets.
 */
const REQUESTS: Record<string, string | [sent: string, forwarded?: string]> = {
  "the first arguments are rewritten": "MIGRATE HOST 1 k 0 9",
  "the bytes after the first arguments are unchanged": [
    `*6\r\n$7\r\nMIGRATE\r\n$14\r\npublic.example$$$1\r\n1\r\n${LOOSE_END}`,
    `*6\r\n$7\r\nMIGRATE\r\n$8\r\n10.0.0.1\r\n$1\r\n1\r\n${LOOSE_END}`,
  ],
  "unchanged: requests without a public address": [
    `*6\r\n$7\r\nMIGRATExx$8\r\n10.0.0.2\r\n$1\r\n1\r\n${LOOSE_END}FAILOVER  "a"\n`,
  ],
  "unchanged: a public address in other requests": [
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
  "requests in a pipeline are rewritten in order":
    "GET a, FAILOVER TO HOST 1, MIGRATE HOST 1, GET b, ROLE",
  "a request that is longer than the buffer is rewritten":
    `CLIENT KILL ${LONG} HOST ${LONG}, GET a`,
  "CLIENT REPLY OFF and SKIP become ON": [
    wireOf(["CLIENT REPLY OFF", "client Reply sKIP", "MIGRATE public.example 1 k 0 9"]),
    wireOf(["CLIENT REPLY on", "client Reply on", "MIGRATE 10.0.0.1 1 k 0 9"]),
  ],
  "inline CLIENT REPLY OFF becomes ON": [
    `CLIENT "reply" 'off'\r\nMIGRATE public.example 1 k 0 9\n`,
    wireOf(["CLIENT reply on", "MIGRATE 10.0.0.1 1 k 0 9"]),
  ],
  "CLIENT REPLY ON and invalid CLIENT REPLY are forwarded":
    "CLIENT REPLY ON, CLIENT REPLY OFF x, CLIENT REPLY, REPLICAOF HOST 1",
  "unchanged: an incomplete request when the client ends": [
    wireOf(["GET a", "FAILOVER TO public.example 1"]).slice(0, -1),
  ],
  "unchanged: a request with a protocol error": [
    "*5\r\n$7\r\nMIGRATE\r\n$14\r\npublic.example\r\n:1\r\n",
  ],
};

for (const [name, row] of Object.entries(REQUESTS)) {
  Deno.test(`${name}, in pieces of any size`, async () => {
    const [sent, forwarded = sent] = typeof row !== "string"
      ? row
      : [PUBLIC_HOST, PRIVATE_HOST].map((host) => wireOf(row.replaceAll("HOST", host).split(", ")));
    assert(forwarded!.includes(PRIVATE_HOST) || name.startsWith("unchanged"));
    for (let requestBytes = 1; requestBytes <= sent!.length; requestBytes++) {
      if (requestBytes > 200 && requestBytes < sent!.length) continue;
      for (const bufferBytes of [SMALL_BUFFER_BYTES, 16 * 1024]) {
        const reception = { cuts: [], bufferBytes, requestBytes };
        const { upstream } = await converse([[sent!]], reception);
        assertEquals(upstream, forwarded, `in pieces of ${requestBytes} bytes`);
      }
    }
  });
}

/** A relay without a session; the test gives the replies to its tracker. */
class RelayScene {
  readonly tracker = new ReplyTracker();
  readonly client = new Feed(1000);
  /** What the node got. */
  upstream = "";
  readonly done: Promise<void>;

  constructor(unreadBytes: (number | undefined)[] = []) {
    this.done = new RequestRelay({
      client: this.client,
      upstream: {
        write: (bytes) => {
          this.upstream += toLatin1(bytes);
          return Promise.resolve(bytes.length);
        },
      },
      tracker: this.tracker,
      buffers: new BufferPool(SMALL_BUFFER_BYTES),
      scheduler: new FairReadScheduler(),
      rewriter: REWRITING,
      unreadReplies: () => unreadBytes.shift(),
      createNonce: () => "mark",
      login: () => Promise.resolve(fromLatin1(wireOf(["AUTH nat secret"]))),
      trafficLog: undefined,
    }).run();
  }

  /** Gives bytes to the relay, and waits until it has read them. */
  async give(text: string): Promise<void> {
    this.client.give(text);
    await untilIdle();
  }

  answer(type: number, text: string): void {
    this.tracker.match({ type, text, cut: false, count: 0, first: "", second: "" });
    this.tracker.frameEnded();
  }

  /** Ends the stream of the client, and waits for the end of the relay. */
  end(): Promise<void> {
    this.client.end();
    return this.done;
  }
}

Deno.test("a client that begins with TLS is refused, and the node gets nothing of it", async () => {
  const scene = new RelayScene();
  scene.client.give("\x16\x03\x01\x02\x00\x01GET a\n");
  await assertRejects(() => scene.done, PairingError, "set --tls-cert-file");
  assertEquals(scene.upstream, "");
});

Deno.test("after the beginning of a stream, bytes are forwarded at once", async () => {
  const scene = new RelayScene();
  let sent = wireOf(["PSYNC ? -1"]);
  await scene.give(sent);
  scene.answer(Byte.status, "CONTINUE");
  for (const text of ["MIGR", "ATE", " public.example", wireOf(["CLIENT REPLY OFF", "AUTH x"])]) {
    await scene.give(text);
    sent += text;
    assertEquals(scene.upstream, sent);
  }
  await scene.end();
});

Deno.test("held bytes are forwarded when a stream has begun meanwhile", async () => {
  const scene = new RelayScene();
  await scene.give(wireOf(["PSYNC ? -1"]) + "MIGR");
  scene.answer(Byte.status, "CONTINUE");
  await scene.give("ATE x");
  await scene.end();
  assertEquals(scene.upstream, wireOf(["PSYNC ? -1"]) + "MIGRATE x");
});

Deno.test("a header with many arguments is forwarded before they come", async () => {
  const scene = new RelayScene();
  await scene.give("*10\r\n");
  assertEquals(scene.upstream, "");
  await scene.give("$3\r\nSET" + "\r\n$1\r\na".repeat(9) + "\r\n*11\rx");
  assert(scene.upstream.endsWith("*11\rx"), scene.upstream);
  await scene.give(`$7\r\nMIGRATE\r\n$14\r\n${PUBLIC_HOST}\r\n$1\r\n1\r\n`);
  const forwarded = `*11\rx$7\r\nMIGRATE\r\n$8\r\n${PRIVATE_HOST}\r\n$1\r\n1\r\n`;
  assert(scene.upstream.endsWith(forwarded), scene.upstream);
  await scene.end();
});

Deno.test("AUTH after MULTI waits for the reply to MULTI", async () => {
  const [multi, auth, exec] = ["MULTI", "AUTH p", "EXEC"].map((request) => wireOf([request]));
  const mark = wireOf([MARKER]);
  for (const isRefused of [false, true]) {
    const scene = new RelayScene();
    await scene.give(multi! + auth + exec);
    assertEquals(scene.upstream, multi! + auth!.slice(0, -1));
    if (isRefused) scene.answer(Byte.error, "NOPERM no");
    else scene.answer(Byte.status, "OK");
    await untilIdle();
    assertEquals(scene.upstream, multi! + auth + (isRefused ? mark + exec : exec + mark));
    await scene.end();
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
  const scene = new RelayScene();
  const requests = ["BLPOP a 60", "MULTI", "DISCARD", "AUTH p"];
  await scene.give(wireOf(requests));
  assertEquals(await passSeconds(clock, 60, scene.done), undefined);
  scene.answer(Byte.null, "");
  scene.answer(Byte.status, "OK");
  scene.answer(Byte.status, "OK");
  await untilIdle();
  assertEquals(scene.upstream, wireOf([...requests, MARKER]));
  await scene.end();
});

/** Requests, of which the last waits for replies; and the first one. */
const WAITING: [requests: string[], first: string][] = [
  [["MULTI", "AUTH p"], "MULTI"],
  [["RESET", "GET a"], "RESET"],
];

for (const [requests, first] of WAITING) {
  Deno.test(`${requests.join(", ")} fails after 10 s if the client leaves replies unread`, async () => {
    using clock = new FakeClock("setTimeout");
    // The client reads some replies, then none.
    const scene = new RelayScene([undefined, 100, 100, 200, ...Array<number>(20).fill(300)]);
    await scene.give(wireOf(requests));
    assertEquals(await passSeconds(clock, 14, scene.done), undefined);
    const failure = await passSeconds(clock, 1, scene.done);
    assert(failure instanceof PairingError, String(failure));
    assertStringIncludes(failure.message, `after ${first} and left replies unread for 10000 ms`);
  });
}

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
