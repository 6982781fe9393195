import type { ByteSink, ByteSource } from "../../src/platform/net.ts";
import { COMMANDS } from "../../src/commands/command_spec.ts";
import { fromLatin1, toLatin1 } from "../../src/resp/bytes.ts";
import { encodeRequest } from "../../src/resp/frame.ts";
import { CaptureBudget } from "../../src/relay/capture.ts";
import { ReplyTracker } from "../../src/relay/reply_tracker.ts";
import { BufferPool } from "../../src/relay/read_buffer.ts";
import { ReplyRelay, type ReplyRewriter } from "../../src/relay/reply_relay.ts";
import { RequestRelay, type RequestRewriter } from "../../src/relay/request_relay.ts";
import { FairReadScheduler } from "../../src/proxy/read_scheduler.ts";
import { Feed, untilIdle } from "./feed.ts";
import { array, bulk } from "./frames.ts";

/**
 * A conversation on one connection: in turn requests of the client (an array) and bytes of the node
 * (a string). A request is its arguments with spaces between, or raw bytes if it contains a LF.
 * MARKER stands where the relay must send a marker.
 */
export type Conversation = readonly (readonly string[] | string)[];

/** The outcome of a conversation. */
export interface Outcome {
  /** What the client got. A rewritten frame is in marks, with its rewriter: `«slots …»`. */
  client: string;
  /** What the node got. */
  upstream: string;
  /** The name of the error that ended it. */
  error: string | undefined;
}

/** A read buffer that holds little more than the head of a frame. */
export const SMALL_BUFFER_BYTES = 512;

/** More than any of the frames needs. */
const CAPTURE_LIMIT_BYTES = 1024 * 1024;

/** The host that the relay finds in requests, and the one that the node gets instead. */
export const [PUBLIC_HOST, PRIVATE_HOST] = ["public.example", "10.0.0.1"] as const;

/** The marks of `Outcome.client`. */
const MARKS = /«\w+ |»/g;

/** The nonce of every marker. */
const NONCE = "mark";

/** A marker that the relay sends. */
export const MARKER = `PING ${NONCE}`;

/** The request by which the proxy logs a client in. */
export const LOGIN = "AUTH nat secret";

/** The reply to a marker, which the client does not get. */
export const MARK = hidden(bulk(NONCE));

/** The reply to a marker on a RESP2 connection with subscriptions. */
export const PONG_MARK = hidden(array(bulk("pong"), bulk(NONCE)));

/** Marks bytes of the node that the client does not get. */
export function hidden(frame: string): string {
  return `‹${frame}›`;
}

/** Removes the bytes that the client does not get. */
export function shown(text: string): string {
  return text.replaceAll(/‹[^›]*›/g, "");
}

/** Rewrites nothing, but puts marks around the frame. */
export const MARKING: ReplyRewriter = {
  rewriteReply(frame, { rewrite }) {
    const name = rewrite.name.replace("rewrite", "").toLowerCase();
    return Promise.resolve(fromLatin1(`«${name} ${toLatin1(frame)}»`));
  },
};

/** Rewrites PUBLIC_HOST in requests. */
export const REWRITING: RequestRewriter = {
  rewriteRequest: (args) => Promise.resolve(rewriteHost(args)),
};

/** Removes all marks, which leaves the bytes of the node. */
export function unmarked(text: string): string {
  return text.replaceAll(MARKS, "").replaceAll(/[‹›]/g, "");
}

/** Encodes requests in the form of `Conversation`. */
export function wireOf(requests: readonly string[]): string {
  return requests.map((request) =>
    request.includes("\n") ? request : toLatin1(encodeRequest(request.split(" ")))
  ).join("");
}

/** Encodes requests as the node gets them: with CLIENT REPLY ON instead of OFF and SKIP. */
export function forwardedOf(requests: readonly string[]): string {
  return wireOf(
    requests.map((request) => request.replace(/^(client reply) (off|skip)$/i, "$1 on")),
  );
}

/** How a conversation is received. */
export interface Reception {
  /** The ends of the pieces in which the bytes of the node come, without that of the last one. */
  cuts: readonly number[];
  /** The size of the read buffers. */
  bufferBytes: number;
  /** The most bytes of the client that one read returns. */
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

/** What the relays of a conversation know. */
export interface ConverseOptions {
  commands?: typeof COMMANDS;
  /** Whether the proxy logs the client in, with LOGIN. */
  logsIn?: boolean;
}

/** Passes a conversation through the two relays of a session. */
export async function converse(
  conversation: Conversation,
  reception: Reception,
  { commands = COMMANDS, logsIn = false }: ConverseOptions = {},
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
    login: logsIn ? () => Promise.resolve(fromLatin1(wireOf([LOGIN]))) : undefined,
    rewriter: REWRITING,
    unreadReplies: () => undefined,
    createNonce: () => NONCE,
    trafficLog: undefined,
  }).run().catch((error) => {
    failure(error);
    requests.end();
  });
  function failure(error: unknown): void {
    if (!(error instanceof Error)) throw error;
    // The first failure ends both directions; later ones follow from it.
    outcome.error ??= error.name;
  }
  const replies = new ReplyRelay({
    upstream: nodeOf(conversation, reception, requests),
    client: sink((text) => outcome.client += text),
    tracker,
    buffers,
    scheduler,
    budget: new CaptureBudget(CAPTURE_LIMIT_BYTES),
    rewriter: MARKING,
    trafficLog: undefined,
  });
  await replies.run().catch(failure);
  requests.end();
  tracker.abandon();
  await requestsDone;
  return outcome;
}

/** How a conversation was received, for the message of a failed assertion. */
export function describeReception({ cuts, bufferBytes }: Reception): string {
  const where = cuts.length > 1 ? "byte by byte" : `cut at ${cuts[0] ?? "no byte"}`;
  return `received ${where} into ${bufferBytes} bytes`;
}

/** Rewrites PUBLIC_HOST in the arguments of a request, and adds a bus port to CLUSTER MEET. */
export function rewriteHost(words: readonly string[]): string[] | undefined {
  if (!words.includes(PUBLIC_HOST)) return undefined;
  const rewritten = words.map((word) => word === PUBLIC_HOST ? PRIVATE_HOST : word);
  return rewritten[1]?.toLowerCase() === "meet" ? [...rewritten, "17000"] : rewritten;
}

/** The side of the node: it sends its bytes once the relay has forwarded the requests before. */
function nodeOf(conversation: Conversation, { cuts }: Reception, requests: Feed): ByteSource {
  const turns = [...conversation];
  let bytes = new Uint8Array(0);
  let offset = 0;
  let cut = 0;
  return {
    async read(buffer) {
      while (bytes.length === 0) {
        await untilIdle();
        const turn = turns.shift();
        if (turn === undefined || requests.ended) return null;
        if (typeof turn === "string") bytes = fromLatin1(turn);
        else {
          requests.give(wireOf(turn.filter((request) => request !== MARKER && request !== LOGIN)));
          await untilIdle();
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
