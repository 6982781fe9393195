// relay/ forwards the bytes of one session in both directions and pairs replies with requests. It
// owns no socket: it gets two streams and the interfaces it calls. It may import rewrite/,
// commands/, resp/ and platform/, but neither nat/ nor cluster/ nor the log. For replies start
// here, for requests in request_relay.ts. Both relays of a session share a `ReplyTracker`, which
// chooses the action for each frame.

import { type ByteSink, type ByteSource, writeAll, writeRest } from "../platform/net.ts";
import { Byte, byteSet, fromLatin1 } from "../resp/bytes.ts";
import { NO_STOPS, ReplyScanner } from "../resp/reply_scanner.ts";
import { Capture, type CaptureBudget, CaptureLimitError } from "./capture.ts";
import type { ReadScheduler, TrafficLog } from "./relay_context.ts";
import { type FrameHead, readHead } from "./frame_head.ts";
import type { ReplyTracker } from "./reply_tracker.ts";
import { type BufferPool, ReadBuffer } from "./read_buffer.ts";
import type { FrameAction, RewriteAction } from "./frame_action.ts";

/** The types of frames that may need an action although a plain reply is expected. */
const NOT_PLAIN = byteSet(Byte.error, Byte.push);

/** The streams, the shared state and the callbacks of a reply relay. */
export interface ReplyRelayOptions {
  /** Only the relay reads it. */
  readonly upstream: ByteSource;
  /** Only the relay writes it. */
  readonly client: ByteSink;
  readonly tracker: ReplyTracker;
  readonly buffers: BufferPool;
  readonly scheduler: ReadScheduler;
  /** The memory limit of captures. */
  readonly budget: CaptureBudget;
  readonly rewriter: ReplyRewriter;
  readonly trafficLog: TrafficLog | undefined;
}

/** Rewrites the frames of one session. */
export interface ReplyRewriter {
  /** Returns the bytes to send instead of a complete frame, which arrived at `sinceMs`. */
  rewriteReply(frame: Uint8Array, action: RewriteAction, sinceMs: number): Promise<Uint8Array>;
}

/**
 * Forwards the bytes of a node to the client:
 *
 * ```
 *   read ─▶ plain run ──────────────────────────────▶ write    ranges of the read buffer
 *        └▶ any other frame ─▶ head ─▶ match ─▶ pass ─▶ write
 *                                            ├▶ drop
 *                                            ├▶ capture ─▶ rewrite ─▶ write
 *                                            └▶ hold until a marker ─▶ match again
 * ```
 *
 * Bytes stay in the read buffer only if a read ends inside the head of a frame that must be
 * matched: less than HEAD_BYTES, which are scanned again with the next read.
 */
export class ReplyRelay {
  readonly #options: ReplyRelayOptions;
  readonly #scanner = new ReplyScanner();
  readonly #input: ReadBuffer;
  /** The action for the frame in progress; undefined between frames and in plain runs. */
  #action: FrameAction | undefined;
  #capture: Capture | undefined;
  /** The held frames, and whether the last of them is incomplete. */
  #held: Capture | undefined;
  #inHeldFrame = false;
  /** The bytes of the held frames while they are relayed. */
  #released: Uint8Array | undefined;
  /** The beginning of the frame that is being matched. */
  #unmatchedAt: number | undefined;
  /** The end of the bytes that were sent to the client or dropped. */
  #sent = 0;
  /** When the bytes that are being relayed arrived. */
  #readAtMs = 0;
  #receivedBytes = 0;
  #isWriting = false;

  constructor(options: ReplyRelayOptions) {
    this.#options = options;
    this.#input = new ReadBuffer(options.buffers);
  }

  /**
   * Relays until the node ends its side. An incomplete frame at the end is dropped if it may carry
   * an address.
   *
   * @throws {RespError | PairingError | CaptureLimitError} when frames cannot be parsed, paired or
   * captured
   */
  async run(): Promise<void> {
    const { scheduler } = this.#options;
    try {
      for (;;) {
        if (scheduler.isSaturated) await scheduler.waitTurn();
        const read = await this.#options.upstream.read(this.#input.free);
        scheduler.recordRead();
        if (read === null) return;
        const { isMuted } = this.#options.tracker;
        const at = this.#scan(read);
        if (isMuted) this.#sent = at;
        if (at === this.#input.end && !isMuted && this.#options.trafficLog === undefined) {
          // The hot path: every additional promise costs measurable CPU time.
          const bytes = this.#input.upTo(at);
          this.#isWriting = true;
          const written = await this.#options.client.write(bytes);
          if (written < at) await writeRest(this.#options.client, bytes, written);
          this.#isWriting = false;
          this.#input.keep(at);
        } else this.#input.keep(await this.#relay(at));
      }
    } catch (error) {
      // Bytes before the faulty frame are sent, as if they had come in a read of their own.
      if (this.#brokenAt !== undefined) await this.#pass(this.#brokenAt);
      throw error;
    } finally {
      this.#endCapture();
      this.#held?.release();
    }
  }

  /** How many bytes the node has sent. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** How many bytes the node has sent, if a write waits for the client; undefined if none does. */
  get unreadReplies(): number | undefined {
    return this.#isWriting ? this.#receivedBytes : undefined;
  }

  /** The capture of the frame that is being rewritten, or of the held frames. */
  get capture(): Capture | undefined {
    return this.#capture ?? this.#held;
  }

  /** Records a read, and returns the end of the plain replies at its beginning. */
  #scan(read: number): number {
    this.#receivedBytes += read;
    this.#input.end += read;
    this.#sent = 0;
    return this.#passPlain(0);
  }

  /** The buffer of the frames that are being relayed. */
  get #bytes(): Uint8Array {
    return this.#released ?? this.#input.bytes;
  }

  /** Scans plain replies from a position on, and returns their end. */
  #passPlain(from: number): number {
    const { tracker } = this.#options;
    const bytes = this.#bytes;
    const end = this.#released?.length ?? this.#input.end;
    const scanner = this.#scanner;
    let at = from;
    while (at < end && this.#action === undefined) {
      const { plainRun } = tracker;
      if (plainRun === 0) break;
      at = scanner.advance(bytes, at, end, plainRun, NOT_PLAIN);
      if (scanner.frames > 0) tracker.consume(scanner.frames);
      if (scanner.frames < plainRun) break;
    }
    return at;
  }

  /** Relays the frames from `from` on, and returns where more bytes are needed. */
  async #relay(from: number): Promise<number> {
    const { end } = this.#input;
    this.#readAtMs = performance.now();
    const at = await this.#relayFrames(from, end);
    await this.#pass(at);
    return at;
  }

  /** Relays frames up to `end`, and returns where more bytes are needed. */
  async #relayFrames(from: number, end: number): Promise<number> {
    const { tracker } = this.#options;
    let at = from;
    while (at < end) {
      this.#action ??= this.#matchFrame(at, end);
      const action = this.#action;
      if (action === undefined) return at;
      switch (action.type) {
        case "header": {
          if (action.isDropped) await this.#pass(at);
          at = endOfLine(this.#bytes, at);
          if (action.isDropped) this.#sent = at;
          this.#action = undefined;
          break;
        }
        case "blind":
          at = end;
          break;
        case "drop":
          await this.#pass(at);
          at = this.#sent = this.#advance(at, end);
          break;
        case "hold":
          await this.#pass(at);
          at = this.#sent = await this.#hold(action.head, at, end);
          if (this.#action !== undefined) return at;
          break;
        case "rewrite":
          await this.#pass(at);
          at = this.#sent = await this.#rewrite(action, at, end);
          break;
        case "secret":
          await this.#pass(at);
          at = this.#advance(at, end);
          await this.#pass(at, "secret");
          break;
        case "confirm":
          at = this.#advance(at, end);
          if (this.#action === undefined) tracker.confirm(this.#scanner.integer);
          break;
        case "pass":
          at = this.#advance(at, end);
      }
      if (tracker.isMuted) {
        await this.#pass(at);
        at = this.#sent = this.#passPlain(at);
      } else at = this.#passPlain(at);
    }
    return at;
  }

  /**
   * Holds the frames from the header of an EXEC on until the answer to its marker begins, then
   * relays them. Returns the beginning of that answer, or where more bytes are needed.
   */
  async #hold(header: FrameHead, from: number, end: number): Promise<number> {
    const { tracker, budget } = this.#options;
    const { bytes } = this.#input;
    let at = from;
    if (this.#held === undefined) {
      this.#held = new Capture(budget, this.#readAtMs);
      at = endOfLine(bytes, at);
      this.#held.add(bytes.subarray(from, at));
    }
    while (at < end) {
      if (!this.#inHeldFrame) {
        const head = readHead(bytes, at, end, true);
        if (head === undefined) return at;
        if (tracker.endsHold(head)) {
          await this.#release(this.#held, header);
          return at;
        }
        this.#inHeldFrame = true;
      }
      const next = this.#scanner.advance(bytes, at, end, 1, NO_STOPS);
      try {
        this.#held.add(bytes.subarray(at, next));
      } catch (error) {
        if (error instanceof CaptureLimitError) await this.#writeError(error);
        throw error;
      }
      this.#inHeldFrame = this.#scanner.frames === 0;
      at = next;
    }
    return at;
  }

  /** Relays the held frames. */
  async #release(held: Capture, header: FrameHead): Promise<void> {
    this.#action = this.#options.tracker.match(header);
    const released = this.#released = held.join(this.#readAtMs);
    this.#sent = 0;
    await this.#pass(await this.#relayFrames(0, released.length));
    this.#released = undefined;
    held.release();
    this.#held = undefined;
  }

  /** After an error, the end of the bytes that the client may get; undefined if none. */
  get #brokenAt(): number | undefined {
    const type = this.#action?.type;
    // No part of a frame with addresses or secrets is sent.
    return type === "rewrite" || type === "secret" || this.#held !== undefined
      ? undefined
      : this.#unmatchedAt ?? this.#scanner.brokenAt;
  }

  /** Returns the action for the frame at `at`; undefined if its head is incomplete. */
  #matchFrame(at: number, end: number): FrameAction | undefined {
    const { tracker } = this.#options;
    this.#unmatchedAt = at;
    const head = readHead(this.#bytes, at, end, tracker.needsValues);
    const action = head && tracker.match(head);
    this.#unmatchedAt = undefined;
    return action;
  }

  /** Scans the current frame, and returns its end or `to`; at its end the action is cleared. */
  #advance(from: number, to: number): number {
    const at = this.#scanner.advance(this.#bytes, from, to, 1, NO_STOPS);
    if (this.#scanner.frames === 1) {
      this.#action = undefined;
      this.#options.tracker.frameEnded();
    }
    return at;
  }

  async #rewrite(action: RewriteAction, from: number, to: number): Promise<number> {
    const { budget } = this.#options;
    const capture = this.#capture ??= new Capture(budget, this.#readAtMs);
    const at = this.#advance(from, to);
    try {
      capture.add(this.#bytes.subarray(from, at));
      if (this.#action !== undefined) return at;
      const rewritten = await this.#rewriteCapture(capture, action);
      capture.hold(rewritten.length);
      await this.#write(rewritten);
    } catch (error) {
      if (!(error instanceof CaptureLimitError)) throw error;
      this.#endCapture();
      // The client gets an error as the reply, unless the frame was unsolicited.
      if (!action.isUnsolicited) await this.#writeError(error);
      throw error;
    }
    this.#endCapture();
    return at;
  }

  /** Returns the bytes that the client gets instead of the captured frame. */
  async #rewriteCapture(capture: Capture, action: RewriteAction): Promise<Uint8Array> {
    const { rewriter, trafficLog } = this.#options;
    const frame = capture.join(this.#readAtMs);
    const rewritten = await rewriter.rewriteReply(frame, action, this.#readAtMs);
    if (action.isSecret) trafficLog?.secretReply(rewritten.length);
    else trafficLog?.rewritten(frame, rewritten);
    return rewritten;
  }

  #endCapture(): void {
    this.#capture?.release();
    this.#capture = undefined;
  }

  /** Sends the bytes up to `to` that were not sent yet. */
  async #pass(to: number, visibility?: "secret"): Promise<void> {
    if (this.#sent === to) return;
    const bytes = this.#bytes.subarray(this.#sent, to);
    this.#sent = to;
    if (visibility === "secret") this.#options.trafficLog?.secretReply(bytes.length);
    else this.#options.trafficLog?.reply(bytes);
    await this.#write(bytes);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    this.#isWriting = true;
    await writeAll(this.#options.client, bytes);
    this.#isWriting = false;
  }

  /** Sends an error instead of a reply. */
  async #writeError({ message }: Error): Promise<void> {
    await this.#write(fromLatin1(`-ERR ${message}\r\n`));
  }
}

/** The end of the header line at `at`: the head was complete, so the buffer contains all of it. */
function endOfLine(bytes: Uint8Array, at: number): number {
  return bytes.indexOf(Byte.lf, at) + 1;
}
