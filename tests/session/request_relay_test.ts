import { assert, assertEquals, assertRejects } from "@std/assert";
import { Byte, fromLatin1, toLatin1 } from "../../src/resp/bytes.ts";
import { PairingError, PendingReplies } from "../../src/session/pending.ts";
import { BufferPool } from "../../src/session/read_buffer.ts";
import { RequestRelay } from "../../src/session/request_relay.ts";
import { Turns } from "../../src/session/turns.ts";
import {
  converse,
  PRIVATE_WORD,
  PUBLIC_WORD,
  SMALL_BUFFER_BYTES,
  wireOf,
} from "../support/conversation.ts";
import { Feed, rest } from "../support/feed.ts";
import { OK, PONG } from "../support/frames.ts";
import { within } from "../support/until.ts";

const LONG = "x".repeat(1_500);

/** What follows the first words of MIGRATE, as no encoder would have it. */
const LOOSE_END = "$1\r\nk**$1\r\n0\r\n$1\r\n9\r\n";

/** Each case is what a client sends and what the node gets. */
const REQUESTS: Record<string, [sent: string, got: string]> = {
  "the first words of a request": [
    wireOf(["MIGRATE public.example 1 k 0 9"]),
    wireOf(["MIGRATE 10.0.0.1 1 k 0 9"]),
  ],
  "nothing behind them": [
    `*6\r\n$7\r\nMIGRATE\r\n$14\r\npublic.example$$$1\r\n1\r\n${LOOSE_END}`,
    `*6\r\n$7\r\nMIGRATE\r\n$8\r\n10.0.0.1\r\n$1\r\n1\r\n${LOOSE_END}`,
  ],
  "nothing that has no public address": [
    `*6\r\n$7\r\nMIGRATExx$8\r\n10.0.0.2\r\n$1\r\n1\r\n${LOOSE_END}FAILOVER  "a"\n`,
    `*6\r\n$7\r\nMIGRATExx$8\r\n10.0.0.2\r\n$1\r\n1\r\n${LOOSE_END}FAILOVER  "a"\n`,
  ],
  "nothing in other requests": [
    wireOf(["GET public.example", "CLUSTER FORGET public.example", "ECHO MIGRATE public.example"]),
    wireOf(["GET public.example", "CLUSTER FORGET public.example", "ECHO MIGRATE public.example"]),
  ],
  "a request that becomes longer by a word": [
    wireOf(["CLUSTER MEET public.example 1", "PING"]),
    wireOf(["CLUSTER MEET 10.0.0.1 1 17000", "PING"]),
  ],
  "a request in inline form": [
    `cluster "meet" 'public.example' 1\r\nMIGRATE public.example 1 k 0 9 AUTH p\nPING\r\n`,
    wireOf(["cluster meet 10.0.0.1 1 17000", "MIGRATE 10.0.0.1 1 k 0 9 AUTH p"]) + "PING\r\n",
  ],
  "requests among others, in order": [
    wireOf(["GET a", "FAILOVER TO public.example 1", "MIGRATE public.example 1", "GET b", "ROLE"]),
    wireOf(["GET a", "FAILOVER TO 10.0.0.1 1", "MIGRATE 10.0.0.1 1", "GET b", "ROLE"]),
  ],
  "a request that is longer than the buffer": [
    wireOf([`CLIENT KILL ${LONG} public.example ${LONG}`, "GET a"]),
    wireOf([`CLIENT KILL ${LONG} 10.0.0.1 ${LONG}`, "GET a"]),
  ],
  "nothing behind a request for a stream": [
    wireOf(["SYNC", "MIGRATE public.example 1 k 0 9"]) + "CLUSTER MEET public.example 1\r\nMIGR",
    wireOf(["SYNC", "MIGRATE public.example 1 k 0 9"]) + "CLUSTER MEET public.example 1\r\nMIGR",
  ],
  "nothing that is not whole when the client ends": [
    wireOf(["GET a", "FAILOVER TO public.example 1"]).slice(0, -1),
    wireOf(["GET a", "FAILOVER TO public.example 1"]).slice(0, -1),
  ],
  "nothing that breaks off": [
    "*5\r\n$7\r\nMIGRATE\r\n$14\r\npublic.example\r\n:1\r\n",
    "*5\r\n$7\r\nMIGRATE\r\n$14\r\npublic.example\r\n:1\r\n",
  ],
};

for (const [name, [sent, got]] of Object.entries(REQUESTS)) {
  Deno.test(`the node gets ${name} translated, in whatever pieces it comes`, async () => {
    assert(got.includes(PRIVATE_WORD) || name.startsWith("nothing"));
    for (let requestBytes = 1; requestBytes <= sent.length; requestBytes++) {
      if (requestBytes > 200 && requestBytes < sent.length) continue;
      for (const bufferBytes of [SMALL_BUFFER_BYTES, 16 * 1024]) {
        const reception = { cuts: [], bufferBytes, requestBytes };
        const { upstream } = await converse([[sent]], reception);
        assertEquals(upstream, got, `in pieces of ${requestBytes} bytes`);
      }
    }
  });
}

Deno.test("what follows a request for a stream goes on at once, be it half a name", async () => {
  const reads = [wireOf(["PSYNC ? -1"]) + "MIGR", "ATE", " public.example"];
  let sent = "";
  let got = "";
  await new RequestRelay({
    client: {
      read(buffer) {
        assertEquals(got, sent);
        const text = reads.shift();
        if (text === undefined) return Promise.resolve(null);
        sent += text;
        buffer.set(fromLatin1(text));
        return Promise.resolve(text.length);
      },
    },
    upstream: {
      write(bytes) {
        got += toLatin1(bytes);
        return Promise.resolve(bytes.length);
      },
    },
    pending: new PendingReplies(),
    buffers: new BufferPool(SMALL_BUFFER_BYTES),
    turns: new Turns(),
    translate: () => Promise.resolve(undefined),
    echo: undefined,
  }).run();
  assertEquals(got, sent);
});

Deno.test("an AUTH behind a translated request waits, and one before it is waited for", async () => {
  for (const requestBytes of [1, 3, 16 * 1024]) {
    const reception = { cuts: [], bufferBytes: SMALL_BUFFER_BYTES, requestBytes };
    const requests = [`CLUSTER MEET ${PUBLIC_WORD} 1`, "AUTH p", `FAILOVER TO ${PUBLIC_WORD} 1`];
    const [meet, auth, failover] = wireOf([
      `CLUSTER MEET ${PRIVATE_WORD} 1 17000`,
      "AUTH p",
      `FAILOVER TO ${PRIVATE_WORD} 1`,
    ]).split(/(?=\*)/);
    const steps: [node: string[], upstream: string][] = [
      [[], meet + auth!.slice(0, -1)],
      [[OK], meet! + auth],
      [[OK, OK], meet! + auth + failover],
      [[OK, OK, PONG], meet! + auth + failover],
    ];
    for (const [node, upstream] of steps) {
      const outcome = await converse([requests, ...node], reception);
      assertEquals(outcome.upstream, upstream, `in pieces of ${requestBytes} bytes`);
      assertEquals(outcome.client, node.join(""));
    }
  }
});

/** The timers that are set while a test runs, none of which goes off by itself. */
class Timers implements Disposable {
  readonly set: { delayMs: number | undefined; go(): void }[] = [];
  readonly #setTimeout = globalThis.setTimeout;

  constructor() {
    globalThis.setTimeout = ((go: () => void, delayMs?: number) => {
      return this.set.push({ delayMs, go });
    }) as unknown as typeof setTimeout;
  }

  [Symbol.dispose](): void {
    globalThis.setTimeout = this.#setTimeout;
  }
}

Deno.test("an AUTH may take any time, but little when something came that its error gave way to", async () => {
  const pending = new PendingReplies();
  const client = new Feed(1000);
  let upstream = "";
  const relay = new RequestRelay({
    client,
    upstream: {
      write(bytes) {
        upstream += toLatin1(bytes);
        return Promise.resolve(bytes.length);
      },
    },
    pending,
    buffers: new BufferPool(SMALL_BUFFER_BYTES),
    turns: new Turns(),
    translate: () => Promise.resolve(undefined),
    echo: undefined,
  }).run();
  const head = { text: "", cut: false, count: 0, word: "" };
  function come(type: number, word = ""): void {
    pending.judge({ ...head, type, word });
    pending.ended();
  }
  using timers = new Timers();
  const [hello, auth] = [wireOf(["HELLO 3"]), wireOf(["AUTH x"])];
  client.give(hello);
  await rest();
  come(Byte.map);
  client.give(auth + auth + wireOf(["PING"]));
  await rest();
  // A node that stands still answers when it goes on.
  assertEquals([upstream, timers.set], [hello + auth, []]);
  pending.judge({ ...head, type: Byte.status, text: "OK" });
  pending.ended();
  await rest();
  assertEquals([upstream, timers.set], [hello + auth + auth, []]);
  come(Byte.push, "invalidate");
  come(Byte.push, "invalidate");
  assertEquals(timers.set.map(({ delayMs }) => delayMs), [10_000]);
  const ended = assertRejects(() => relay, PairingError, "No reply came within 10000 ms");
  timers.set[0]!.go();
  await ended;
  assertEquals(upstream, hello + auth + auth);
});

Deno.test("a relay that waits for its turn to read has nothing to drain", async () => {
  const turns = new Turns();
  for (let read = 0; read < 128; read++) turns.note();
  await Promise.resolve();
  assert(turns.areScarce);
  let reads = 0;
  const relay = new RequestRelay({
    client: {
      read() {
        reads++;
        return Promise.resolve(null);
      },
    },
    upstream: { write: (bytes) => Promise.resolve(bytes.length) },
    pending: new PendingReplies(),
    buffers: new BufferPool(SMALL_BUFFER_BYTES),
    turns,
    translate: () => Promise.resolve(undefined),
    echo: undefined,
  });
  const done = relay.run();
  assertEquals(reads, 0);
  await within("drain the relay", relay.drain(), 5_000);
  await done;
  assertEquals(reads, 1);
});
