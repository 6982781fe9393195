import { COMMANDS } from "../../src/commands/command_spec.ts";
import type { ByteSink } from "../../src/platform/net.ts";
import { toLatin1 } from "../../src/resp/bytes.ts";
import { CaptureBudget } from "../../src/relay/capture.ts";
import { AbandonedError } from "../../src/relay/pairing_error.ts";
import { ReplyTracker } from "../../src/relay/reply_tracker.ts";
import { createNonce } from "../../src/relay/marker.ts";
import { BufferPool } from "../../src/relay/read_buffer.ts";
import { ReplyRelay } from "../../src/relay/reply_relay.ts";
import { RequestRelay } from "../../src/relay/request_relay.ts";
import { FairReadScheduler } from "../../src/proxy/read_scheduler.ts";
import { MARKING, REWRITING, SMALL_BUFFER_BYTES } from "../support/conversation.ts";
import { Feed, untilIdle } from "../support/feed.ts";
import type { Random } from "../support/random.ts";

/** A node of a session: gets the forwarded bytes, and queues frames in `out`. */
export interface Node {
  receive(text: string): void;
  /** Executes the next request; false if there is none. */
  step(): boolean;
  /** Sends an unsolicited frame, if the connection may get one. */
  event(): void;
  /** The bytes that are still to be sent. */
  out: string;
  /** Whether the node sends no more bytes than those in `out`. */
  readonly isClosed: boolean;
}

/** The outcome of a session. */
export interface SessionOutcome {
  /** What the client got, with rewritten frames in marks. */
  client: string;
  /** What the client sent; not all of its requests if the node closed the connection. */
  sent: string;
  /** What the node got, without markers. */
  upstream: string;
  /** How many bytes of `upstream` arrived before the client ended its side. */
  bytesBeforeEnd: number;
  /** The error that ended the session, if any. */
  error: Error | undefined;
}

/** More than any of the frames needs. */
const CAPTURE_LIMIT_BYTES = 1024 * 1024;

/**
 * Sends `requests` through the two relays of a session to `node`, and its replies back. The order
 * of the two sides and the sizes of their pieces are random; both are idle before the next piece.
 */
export async function runSession(
  random: Random,
  requests: string,
  node: Node,
  commands = COMMANDS,
): Promise<SessionOutcome> {
  const outcome: SessionOutcome = {
    client: "",
    sent: "",
    upstream: "",
    bytesBeforeEnd: 0,
    error: undefined,
  };
  const tracker = new ReplyTracker();
  const buffers = new BufferPool(random.pick([SMALL_BUFFER_BYTES, 16 * 1024]));
  const scheduler = new FairReadScheduler();
  const reads = [1, 2, 7, 100, 1e6];
  const fromClient = new Feed(random.pick(reads));
  const fromNode = new Feed(random.pick(reads));
  function fail(error: unknown): void {
    if (!(error instanceof Error)) throw error;
    // The first failure ends both directions; an AbandonedError follows from it.
    if (!(error instanceof AbandonedError)) outcome.error ??= error;
    tracker.abandon();
    fromClient.end();
    fromNode.end();
  }
  /** A sink that may accept only a part of a write. */
  function taking(take: (text: string) => void): ByteSink {
    return {
      write(bytes) {
        const length = random.chance(0.8) ? bytes.length : 1 + random.int(bytes.length);
        take(toLatin1(bytes.subarray(0, length)));
        return Promise.resolve(length);
      },
    };
  }
  const directions = [
    new RequestRelay({
      client: fromClient,
      upstream: taking((text) => {
        outcome.upstream += text;
        node.receive(text);
      }),
      tracker,
      buffers,
      scheduler,
      commands,
      rewriter: REWRITING,
      unreadReplies: () => undefined,
      createNonce,
      trafficLog: undefined,
    }).run().catch(fail),
    new ReplyRelay({
      upstream: fromNode,
      client: taking((text) => outcome.client += text),
      tracker,
      buffers,
      scheduler,
      budget: new CaptureBudget(CAPTURE_LIMIT_BYTES),
      rewriter: MARKING,
      trafficLog: undefined,
    }).run().then(() => tracker.abandon()).catch(fail),
  ];
  const most = random.pick([5, 50, 1e6]);
  const eagerness = random.pick([0.1, 0.5, 0.9]);
  let left = requests;
  while (outcome.error === undefined) {
    const sends = left !== "" && random.chance(eagerness);
    if (sends || (left !== "" && node.out === "")) {
      const length = random.chance(0.5) ? left.length : 1 + random.int(most);
      fromClient.give(left.slice(0, length));
      left = left.slice(length);
      await untilIdle();
    }
    const worked = random.chance(eagerness) && node.step();
    if (random.chance(0.1)) node.event();
    if (node.out !== "" && random.chance(0.5)) {
      const length = random.chance(0.5) ? node.out.length : 1 + random.int(most);
      fromNode.give(node.out.slice(0, length));
      node.out = node.out.slice(length);
      await untilIdle();
    } else if (!worked && left === "" && node.out === "" && !node.step()) break;
    if (node.isClosed && node.out === "") break;
  }
  outcome.bytesBeforeEnd = withoutMarkers(outcome.upstream).length;
  outcome.sent = requests.slice(0, requests.length - left.length);
  fromClient.end();
  await untilIdle();
  fromNode.end();
  await Promise.all(directions);
  outcome.upstream = withoutMarkers(outcome.upstream);
  return outcome;
}

function withoutMarkers(upstream: string): string {
  return upstream.replaceAll(/\*2\r\n\$4\r\nPING\r\n\$20\r\nnat-[0-9a-f]{16}\r\n/g, "");
}
