import { type ByteSink, type ByteSource, writeAll, writeRest } from "../net.ts";
import { Byte, fromLatin1, joined, toLatin1 } from "../resp/bytes.ts";
import { NO_STOPS, ReplyScanner, stopsAt } from "../resp/scanner.ts";
import { Capture, type CaptureBudget, CaptureLimitError } from "./capture.ts";
import type { Echo } from "./echo.ts";
import { readHead } from "./head.ts";
import type { PendingReplies } from "./pending.ts";
import { type BufferPool, ReadBuffer } from "./read_buffer.ts";
import type { Turns } from "./turns.ts";
import { type RewriteVerdict, type Verdict, Verdicts } from "./verdicts.ts";

/** Within a run of plain replies only these may need more than to be passed on. */
const NOT_PLAIN = stopsAt(Byte.error, Byte.push);

const CRLF = fromLatin1("\r\n");

/** What a reply relay works with. */
export interface ReplyRelayOptions {
  /** Read by the relay alone. */
  readonly upstream: ByteSource;
  /** Written by the relay alone. */
  readonly client: ByteSink;
  readonly pending: PendingReplies;
  readonly buffers: BufferPool;
  readonly turns: Turns;
  /** For what is captured. */
  readonly budget: CaptureBudget;
  /** The bytes to send in the place of a whole frame that had come at `sinceMs`. */
  readonly translate: (
    frame: Uint8Array,
    verdict: RewriteVerdict,
    sinceMs: number,
  ) => Promise<Uint8Array>;
  /** What is shown in the place of the address of one of the node's clients. */
  readonly peer: (address: string) => Promise<string>;
  readonly echo: Echo | undefined;
}

/**
 * Carries what a node sends to the client:
 *
 * ```
 *   read ─▶ plain run ──────────────────────────────▶ write    ranges of the read buffer
 *        └▶ any other frame ─▶ head ─▶ judge ─▶ pass ─▶ write
 *                                            ├▶ replace an address ─▶ write
 *                                            └▶ capture ─▶ rewrite ─▶ write
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
  #verdict: Verdict | undefined;
  #capture: Capture | undefined;
  /** What goes to the client before the bytes from `#sent` on, of which there are some then. */
  #ahead: Uint8Array[] | undefined;
  /** Where the frame begins that is being judged. */
  #unjudgedAt: number | undefined;
  /** Up to where the client has what was read. */
  #sent = 0;
  /** When what is being translated had come. */
  #readAtMs = 0;
  #receivedBytes = 0;

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
    const { turns } = this.#options;
    try {
      for (;;) {
        if (turns.areScarce) await turns.next();
        const read = await this.#options.upstream.read(this.#input.room);
        turns.note();
        if (read === null) return;
        const at = this.#scan(read);
        if (at === this.#input.end && this.#options.echo === undefined) {
          // Most of what comes takes this way, and each promise more would be felt.
          const bytes = this.#input.upTo(at);
          const written = await this.#options.client.write(bytes);
          if (written < at) await writeRest(this.#options.client, bytes, written);
          this.#input.keep(at);
        } else this.#input.keep(await this.#relay(at));
      }
    } catch (error) {
      // What came before goes out, as it would have if it had come in a read of its own.
      if (this.#brokenAt !== undefined) await this.#pass(this.#brokenAt);
      throw error;
    } finally {
      this.#release();
    }
  }

  /** How much the node has sent. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** The frame that is being rewritten. */
  get capture(): Capture | undefined {
    return this.#capture;
  }

  /** Notes that something was read, and returns where the plain replies at its beginning end. */
  #scan(read: number): number {
    this.#receivedBytes += read;
    this.#input.end += read;
    this.#sent = 0;
    return this.#passPlain(0);
  }

  /** Passes plain replies from a position on, and returns where they end. */
  #passPlain(from: number): number {
    const { pending } = this.#options;
    const { bytes, end } = this.#input;
    const scanner = this.#scanner;
    let at = from;
    while (at < end && this.#verdict === undefined) {
      const { run } = pending;
      if (run === 0) break;
      at = scanner.advance(bytes, at, end, run, NOT_PLAIN);
      if (scanner.frames > 0) pending.take(scanner.frames);
      if (scanner.frames < run) break;
    }
    return at;
  }

  /** Relays what was read from `from` on, which is not plain, and returns where it has to wait. */
  async #relay(from: number): Promise<number> {
    const { pending } = this.#options;
    const { bytes, end } = this.#input;
    this.#readAtMs = performance.now();
    let at = from;
    while (at < end) {
      if (this.#verdict === undefined) {
        const verdict = this.#judge(at, end);
        if (verdict === undefined) {
          await this.#pass(at);
          return at;
        }
        this.#verdict = verdict;
      }
      const verdict = this.#verdict;
      switch (verdict.type) {
        case "header":
          // The head was read whole, so its line is here.
          at = bytes.indexOf(Byte.lf, at) + 1;
          this.#verdict = undefined;
          break;
        case "blind":
          at = end;
          break;
        case "peer":
          // The head was read whole, so the address is here.
          await this.#replacePeer(at + verdict.from, at + verdict.to);
          at = this.#advance(at, this.#sent);
          this.#verdict = Verdicts.pass;
          break;
        case "rewrite":
          await this.#pass(at);
          at = this.#sent = await this.#rewrite(verdict, at, end);
          break;
        case "secret":
          await this.#pass(at);
          at = this.#advance(at, end);
          await this.#pass(at, "secret");
          break;
        case "confirm":
          at = this.#advance(at, end);
          if (this.#verdict === undefined) pending.confirm(this.#scanner.integer);
          break;
        case "pass":
          at = this.#advance(at, end);
      }
      at = this.#passPlain(at);
    }
    await this.#pass(end);
    return end;
  }

  /** Up to where the buffer may go to the client when it cannot be followed any further. */
  get #brokenAt(): number | undefined {
    const type = this.#verdict?.type;
    // Of a frame with addresses or secrets nothing does.
    return type === "rewrite" || type === "secret"
      ? undefined
      : this.#unjudgedAt ?? this.#scanner.brokenAt;
  }

  /** Judges the frame at `at`; undefined if its head is not whole. */
  #judge(at: number, end: number): Verdict | undefined {
    const { pending } = this.#options;
    this.#unjudgedAt = at;
    const head = readHead(this.#input.bytes, at, end, pending.wantsWord);
    const verdict = head && pending.judge(head);
    this.#unjudgedAt = undefined;
    return verdict;
  }

  /** Goes on to the end of the frame that was judged, which the next one then will have to be. */
  #advance(from: number, to: number): number {
    const at = this.#scanner.advance(this.#input.bytes, from, to, 1, NO_STOPS);
    if (this.#scanner.frames === 1) {
      this.#verdict = undefined;
      this.#options.pending.ended();
    }
    return at;
  }

  /** Has the client get another address in the place of the one at [from, to). */
  async #replacePeer(from: number, to: number): Promise<void> {
    const { bytes } = this.#input;
    const shown = await this.#options.peer(toLatin1(bytes.subarray(from, to)));
    (this.#ahead ??= []).push(bytes.subarray(this.#sent, from), fromLatin1(shown));
    this.#sent = to;
  }

  async #rewrite(verdict: RewriteVerdict, from: number, to: number): Promise<number> {
    const { client, budget } = this.#options;
    const { limitBytes = Infinity } = verdict;
    const capture = this.#capture ??= new Capture(budget, this.#readAtMs);
    const at = this.#advance(from, Math.min(to, from + limitBytes - capture.length));
    try {
      capture.add(this.#input.bytes.subarray(from, at));
      if (this.#verdict !== undefined && capture.length < limitBytes) return at;
      const translated = await this.#translated(capture, verdict);
      capture.hold(translated.length);
      await writeAll(client, translated);
    } catch (error) {
      if (!(error instanceof CaptureLimitError)) throw error;
      this.#release();
      // The place of the frame is that of an error, unless it is nobody's answer.
      if (!verdict.unasked) await writeAll(client, fromLatin1(`-ERR ${error.message}\r\n`));
      throw error;
    }
    this.#release();
    // What is behind the beginning of a line goes on as it is.
    if (this.#verdict !== undefined) this.#verdict = Verdicts.pass;
    return at;
  }

  /** What the client gets in the place of what was captured, which is all that it is to be. */
  async #translated(capture: Capture, verdict: RewriteVerdict): Promise<Uint8Array> {
    const { translate, echo } = this.#options;
    const isCut = this.#verdict !== undefined;
    const captured = capture.join(this.#readAtMs);
    // What there is of a line is rewritten as if it ended there.
    const frame = isCut ? joined([captured, CRLF]) : captured;
    const whole = await translate(frame, verdict, this.#readAtMs);
    const translated = isCut ? whole.subarray(0, -CRLF.length) : whole;
    if (verdict.secret) echo?.secretReply(translated.length);
    else echo?.rewritten(frame, translated);
    return translated;
  }

  #release(): void {
    this.#capture?.release();
    this.#capture = undefined;
  }

  /** Sends what was read up to `to` and not sent yet. */
  async #pass(to: number, visibility?: "secret"): Promise<void> {
    if (this.#sent === to) return;
    let bytes = this.#input.bytes.subarray(this.#sent, to);
    this.#sent = to;
    if (this.#ahead !== undefined) {
      bytes = joined([...this.#ahead, bytes]);
      this.#ahead = undefined;
    }
    if (visibility === "secret") this.#options.echo?.secretReply(bytes.length);
    else this.#options.echo?.reply(bytes);
    await writeAll(this.#options.client, bytes);
  }
}
