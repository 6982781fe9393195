import type { ByteSink, ByteSource } from "../../src/platform/net.ts";
import { COMMANDS } from "../../src/commands/command_spec.ts";
import { fromLatin1, toLatin1 } from "../../src/resp/bytes.ts";
import { encodeRequest } from "../../src/resp/frame.ts";
import { CaptureBudget } from "../../src/relay/capture.ts";
import { ReplyTracker } from "../../src/relay/reply_tracker.ts";
import { BufferPool } from "../../src/relay/read_buffer.ts";
import { ReplyRelay, type ReplyRelayOptions } from "../../src/relay/reply_relay.ts";
import { RequestRelay } from "../../src/relay/request_relay.ts";
import { FairReadScheduler } from "../../src/proxy/read_scheduler.ts";
import { Feed, rest } from "./feed.ts";
import { array, bulk } from "./frames.ts";

/**
 * What goes back and forth on one connection: requests of a client, then bytes of its node, and
 * so on. A request is its words, with spaces between, or raw bytes if it holds a LF. MARKER stands
 * where the relay has to send one.
 */
export type Conversation = readonly (readonly string[] | string)[];

/** The outcome of a conversation. */
export interface Outcome {
  /** What the client got. A frame that was to be rewritten is marked, and by what: `«slots …»`. */
  client: string;
  /** What the node got. */
  upstream: string;
  /** The name of the error that ended it. */
  error: string | undefined;
}

/** A read buffer that holds little more than the head of a frame. */
export const SMALL_BUFFER_BYTES = 512;

/** More than any of the frames takes. */
const CAPTURE_LIMIT_BYTES = 1024 * 1024;

/** What the relay finds in requests, and what the node gets in its place. */
export const [PUBLIC_WORD, PRIVATE_WORD] = ["public.example", "10.0.0.1"] as const;

/** The marks of `Outcome.client`. */
const MARKS = /«\w+ |»/g;

/** The nonce of every marker. */
const NONCE = "mark";

/** A marker, which the client does not send. */
export const MARKER = `PING ${NONCE}`;

/** The answer of a node to a marker, which the client does not get. */
export const MARK = hidden(bulk(NONCE));

/** The same, of a RESP2 connection that has subscriptions. */
export const PONG_MARK = hidden(array(bulk("pong"), bulk(NONCE)));

/** Marks what a node sends and the client does not get. */
export function hidden(frame: string): string {
  return `‹${frame}›`;
}

/** What a client gets of a text in which some is hidden. */
export function shown(text: string): string {
  return text.replaceAll(/‹[^›]*›/g, "");
}

/** Rewrites nothing, but puts marks around the frame. */
export const MARKING: Pick<ReplyRelayOptions, "rewrite"> = {
  rewrite: (frame, { rewrite }) => {
    const name = rewrite.name.replace("rewrite", "").toLowerCase();
    return Promise.resolve(fromLatin1(`«${name} ${toLatin1(frame)}»`));
  },
};

/** Takes the marks out of a text, which leaves what the node sent. */
export function unmarked(text: string): string {
  return text.replaceAll(MARKS, "").replaceAll(/[‹›]/g, "");
}

/** The bytes of requests: of each its words, with spaces between, or itself if it holds a LF. */
export function wireOf(requests: readonly string[]): string {
  return requests.map((request) =>
    request.includes("\n") ? request : toLatin1(encodeRequest(request.split(" ")))
  ).join("");
}

/** The bytes that a node gets for requests. */
export function forwardedOf(requests: readonly string[]): string {
  return wireOf(
    requests.map((request) => request.replace(/^(client reply) (off|skip)$/i, "$1 on")),
  );
}

/** How a conversation is received. */
export interface Reception {
  /** The ends of the pieces in which all bytes of the node come; none after the last byte. */
  cuts: readonly number[];
  /** The size of the read buffers. */
  bufferBytes: number;
  /** The most bytes that one read of the client's side gives. */
  requestBytes: number;
}

/** Ways to receive `length` bytes: whole, byte by byte, cut at each position. */
export function* everyReception(length: number): Generator<Reception> {
  const positions = Array.from({ length: Math.max(0, length - 1) }, (_, at) => at + 1);
  for (const bufferBytes of [SMALL_BUFFER_BYTES, 16 * 1024]) {
    yield { cuts: [], bufferBytes, requestBytes: 16 * 1024 };
    yield { cuts: positions, bufferBytes, requestBytes: 1 };
  }
  for (const cut of positions) {
    yield { cuts: [cut], bufferBytes: SMALL_BUFFER_BYTES, requestBytes: 16 * 1024 };
  }
}

/** Passes a conversation through the two relays of a session. */
export async function converse(
  talk: Conversation,
  reception: Reception,
  commands = COMMANDS,
): Promise<Outcome> {
  const outcome: Outcome = { client: "", upstream: "", error: undefined };
  const tracker = new ReplyTracker();
  const buffers = new BufferPool(reception.bufferBytes);
  const scheduler = new FairReadScheduler();
  const requests = new Feed(reception.requestBytes);
  const requestsDone = new RequestRelay({
    client: requests,
    upstream: sink((text) => outcome.upstream += text),
    tracker,
    buffers,
    scheduler,
    commands,
    rewrite: (args) => Promise.resolve(translateHost(args)),
    unreadReplies: () => undefined,
    createNonce: () => NONCE,
    trafficLog: undefined,
  }).run().catch((error) => {
    failure(error);
    requests.end();
  });
  function failure(error: unknown): void {
    if (!(error instanceof Error)) throw error;
    // The end of one direction ends the other, which is then no failure of its own.
    outcome.error ??= error.name;
  }
  const replies = new ReplyRelay({
    upstream: nodeOf(talk, reception, requests),
    client: sink((text) => outcome.client += text),
    tracker,
    buffers,
    scheduler,
    budget: new CaptureBudget(CAPTURE_LIMIT_BYTES),
    ...MARKING,
    trafficLog: undefined,
  });
  await replies.run().catch(failure);
  requests.end();
  tracker.abandon();
  await requestsDone;
  return outcome;
}

/** How a conversation was received, for the message of a failed assertion. */
export function showReception({ cuts, bufferBytes }: Reception): string {
  const where = cuts.length > 1 ? "byte by byte" : `cut at ${cuts[0] ?? "no byte"}`;
  return `received ${where} into ${bufferBytes} bytes`;
}

/** A translation of requests that has one word to translate, and may add one. */
export function translateHost(words: readonly string[]): string[] | undefined {
  if (!words.includes(PUBLIC_WORD)) return undefined;
  const translated = words.map((word) => word === PUBLIC_WORD ? PRIVATE_WORD : word);
  return translated[1]?.toLowerCase() === "meet" ? [...translated, "17000"] : translated;
}

/** The node's side: each of its turns comes when the relay has passed all requests before it. */
function nodeOf(talk: Conversation, { cuts }: Reception, requests: Feed): ByteSource {
  const turns = [...talk];
  let bytes = new Uint8Array(0);
  let offset = 0;
  let cut = 0;
  return {
    async read(buffer) {
      while (bytes.length === 0) {
        await rest();
        const turn = turns.shift();
        if (turn === undefined || requests.ended) return null;
        if (typeof turn === "string") bytes = fromLatin1(turn);
        else {
          requests.give(wireOf(turn.filter((request) => request !== MARKER)));
          await rest();
        }
      }
      while (cut < cuts.length && cuts[cut]! <= offset) cut++;
      const length = Math.min(bytes.length, buffer.length, (cuts[cut] ?? Infinity) - offset);
      buffer.set(bytes.subarray(0, length));
      bytes = bytes.subarray(length);
      offset += length;
      return length;
    },
  };
}

function sink(receive: (text: string) => void): ByteSink {
  return {
    write(bytes) {
      receive(toLatin1(bytes));
      return Promise.resolve(bytes.length);
    },
  };
}
