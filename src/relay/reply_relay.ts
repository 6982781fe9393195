import { type ByteSink, type ByteSource, writeAll, writeRest } from "../platform/net.ts";
import { Byte, byteSet, fromLatin1 } from "../resp/bytes.ts";
import { NO_STOPS, ReplyScanner } from "../resp/reply_scanner.ts";
import { Capture, type CaptureBudget, CaptureLimitError } from "./capture.ts";
import type { ReadScheduler, TrafficLog } from "./relay_context.ts";
import { type FrameHead, readHead } from "./frame_head.ts";
import type { ReplyTracker } from "./reply_tracker.ts";
import { type BufferPool, ReadBuffer } from "./read_buffer.ts";
import type { FrameAction, RewriteAction } from "./frame_action.ts";

/** Within a run of plain replies only these may need more than to be passed on. */
const NOT_PLAIN = byteSet(Byte.error, Byte.push);

/** What a reply relay works with. */
export interface ReplyRelayOptions {
  /** Read by the relay alone. */
  readonly upstream: ByteSource;
  /** Written by the relay alone. */
  readonly client: ByteSink;
  readonly tracker: ReplyTracker;
  readonly buffers: BufferPool;
  readonly scheduler: ReadScheduler;
  /** For what is captured. */
  readonly budget: CaptureBudget;
  /** The bytes to send in the place of a whole frame that had come at `sinceMs`. */
  readonly rewrite: (
    frame: Uint8Array,
    action: RewriteAction,
    sinceMs: number,
  ) => Promise<Uint8Array>;
  readonly trafficLog: TrafficLog | undefined;
}

/**
 * Carries what a node sends to the client:
 *
 * ```
 *   read ─▶ plain run ──────────────────────────────▶ write    ranges of the read buffer
 *        └▶ any other frame ─▶ head ─▶ judge ─▶ pass ─▶ write
 *                                            ├▶ drop
 *                                            ├▶ capture ─▶ rewrite ─▶ write
 *                                            └▶ hold until a marker ─▶ judge again
 * ```
 *
 * Bytes wait for more only where a read ends inside the head of a frame that must be judged;
 * these, less than HEAD_BYTES, are read again with what follows them.
 */
export class ReplyRelay {
  readonly #options: ReplyRelayOptions;
  readonly #scanner = new ReplyScanner();
  readonly #input: ReadBuffer;
  /** The verdict on the frame in progress; undefined between frames and in plain runs. */
  #action: FrameAction | undefined;
  #capture: Capture | undefined;
  /** The frames that are held, and whether the last of them is not whole. */
  #held: Capture | undefined;
  #inHeldFrame = false;
  /** What was held, while it is relayed. */
  #released: Uint8Array | undefined;
  /** Where the frame begins that is being judged. */
  #unjudgedAt: number | undefined;
  /** Up to where the client has what was read. */
  #sent = 0;
  /** When what is being translated had come. */
  #readAtMs = 0;
  #receivedBytes = 0;
  #isWriting = false;

  constructor(options: ReplyRelayOptions) {
    this.#options = options;
    this.#input = new ReadBuffer(options.buffers);
  }

  /**
   * Relays until the node ends its side. A frame that it has not finished by then is dropped if
   * it is not known yet to carry no address.
   *
   * @throws {RespError | PairingError | CaptureLimitError} when the node cannot be followed
   */
  async run(): Promise<void> {
    const { scheduler } = this.#options;
    try {
      for (;;) {
        if (scheduler.isSaturated) await scheduler.waitTurn();
        const read = await this.#options.upstream.read(this.#input.room);
        scheduler.recordRead();
        if (read === null) return;
        const { isMuted } = this.#options.tracker;
        const at = this.#scan(read);
        if (isMuted) this.#sent = at;
        if (at === this.#input.end && !isMuted && this.#options.trafficLog === undefined) {
          // Most of what comes takes this way, and each promise more would be felt.
          const bytes = this.#input.upTo(at);
          this.#isWriting = true;
          const written = await this.#options.client.write(bytes);
          if (written < at) await writeRest(this.#options.client, bytes, written);
          this.#isWriting = false;
          this.#input.keep(at);
        } else this.#input.keep(await this.#relay(at));
      }
    } catch (error) {
      // What came before goes out, as it would have if it had come in a read of its own.
      if (this.#brokenAt !== undefined) await this.#pass(this.#brokenAt);
      throw error;
    } finally {
      this.#endCapture();
      this.#held?.release();
    }
  }

  /** How much the node has sent. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** How many bytes the node has sent, if some of them wait for the client to read. */
  get unreadReplies(): number | undefined {
    return this.#isWriting ? this.#receivedBytes : undefined;
  }

  /** What is kept of frames: the one that is being rewritten, or those that are held. */
  get capture(): Capture | undefined {
    return this.#capture ?? this.#held;
  }

  /** Notes that something was read, and returns where the plain replies at its beginning end. */
  #scan(read: number): number {
    this.#receivedBytes += read;
    this.#input.end += read;
    this.#sent = 0;
    return this.#passPlain(0);
  }

  /** Where the frames are that are being relayed. */
  get #bytes(): Uint8Array {
    return this.#released ?? this.#input.bytes;
  }

  /** Passes plain replies from a position on, and returns where they end. */
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

  /** Relays what was read from `from` on, which is not plain, and returns where it has to wait. */
  async #relay(from: number): Promise<number> {
    const { end } = this.#input;
    this.#readAtMs = performance.now();
    const at = await this.#relayFrames(from, end);
    await this.#pass(at);
    return at;
  }

  /** Relays frames up to `end`, and returns where that has to wait for more. */
  async #relayFrames(from: number, end: number): Promise<number> {
    const { tracker } = this.#options;
    let at = from;
    while (at < end) {
      this.#action ??= this.#judge(at, end);
      const action = this.#action;
      if (action === undefined) return at;
      switch (action.type) {
        case "header": {
          // The head was read whole, so its line is here.
          if (action.isDropped) await this.#pass(at);
          at = this.#bytes.indexOf(Byte.lf, at) + 1;
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
   * Keeps the frames from the header of an EXEC on until the answer to its marker begins, then
   * relays them. Returns the beginning of that, or where it has to wait for more.
   */
  async #hold(header: FrameHead, from: number, end: number): Promise<number> {
    const { tracker, budget } = this.#options;
    const { bytes } = this.#input;
    let at = from;
    if (this.#held === undefined) {
      this.#held = new Capture(budget, this.#readAtMs);
      // The head was read whole, so its line is here.
      at = bytes.indexOf(Byte.lf, at) + 1;
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

  /** Relays what was held. */
  async #release(held: Capture, header: FrameHead): Promise<void> {
    this.#action = this.#options.tracker.match(header);
    const released = this.#released = held.join(this.#readAtMs);
    this.#sent = 0;
    await this.#pass(await this.#relayFrames(0, released.length));
    this.#released = undefined;
    held.release();
    this.#held = undefined;
  }

  /** Up to where the buffer may go to the client when it cannot be followed any further. */
  get #brokenAt(): number | undefined {
    const type = this.#action?.type;
    // Of a frame with addresses or secrets nothing does.
    return type === "rewrite" || type === "secret" || this.#held !== undefined
      ? undefined
      : this.#unjudgedAt ?? this.#scanner.brokenAt;
  }

  /** Judges the frame at `at`; undefined if its head is not whole. */
  #judge(at: number, end: number): FrameAction | undefined {
    const { tracker } = this.#options;
    this.#unjudgedAt = at;
    const head = readHead(this.#bytes, at, end, tracker.wantsWord);
    const action = head && tracker.match(head);
    this.#unjudgedAt = undefined;
    return action;
  }

  /** Goes on to the end of the frame that was judged, which the next one then will have to be. */
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
      const translated = await this.#translated(capture, action);
      capture.hold(translated.length);
      await this.#write(translated);
    } catch (error) {
      if (!(error instanceof CaptureLimitError)) throw error;
      this.#endCapture();
      // The place of the frame is that of an error, unless it is nobody's answer.
      if (!action.unasked) await this.#writeError(error);
      throw error;
    }
    this.#endCapture();
    return at;
  }

  /** What the client gets instead of the captured frame. */
  async #translated(capture: Capture, action: RewriteAction): Promise<Uint8Array> {
    const { rewrite, trafficLog } = this.#options;
    const frame = capture.join(this.#readAtMs);
    const translated = await rewrite(frame, action, this.#readAtMs);
    if (action.isSecret) trafficLog?.secretReply(translated.length);
    else trafficLog?.rewritten(frame, translated);
    return translated;
  }

  #endCapture(): void {
    this.#capture?.release();
    this.#capture = undefined;
  }

  /** Sends what was read up to `to` and not sent yet. */
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

  /** Sends an error in place of a reply. */
  async #writeError({ message }: Error): Promise<void> {
    await this.#write(fromLatin1(`-ERR ${message}\r\n`));
  }
}
