import { type ByteSink, type ByteSource, writeAll, writeRest } from "../net.ts";
import { encodeOpening } from "../resp/frame.ts";
import { type Opening, RequestScanner, type RequestSink } from "../resp/requests.ts";
import { COMMANDS, type NotedCommand } from "./commands.ts";
import type { Echo } from "./echo.ts";
import type { PendingReplies } from "./pending.ts";
import { type BufferPool, ReadBuffer } from "./read_buffer.ts";
import { mayBeDropped, Replies, type Reply } from "./replies.ts";
import type { Turns } from "./turns.ts";

/** What a request relay works with. */
export interface RequestRelayOptions {
  /** Read by the relay alone. */
  readonly client: ByteSource;
  /** Written by the relay alone. */
  readonly upstream: ByteSink;
  readonly pending: PendingReplies;
  readonly buffers: BufferPool;
  readonly turns: Turns;
  /** Puts private addresses in the place of public ones, or returns undefined if there are none. */
  readonly translate: (words: readonly string[]) => Promise<readonly string[] | undefined>;
  readonly echo: Echo | undefined;
}

/**
 * An AUTH is answered at once, or when a module has asked somewhere else. One that is not was
 * dropped by the node, if that has sent something since that may have been waiting.
 */
const AUTH_TIMEOUT_MS = 10_000;

/**
 * Carries what a client sends to its node, and notes what each request will make the node send
 * before the last byte of the request is on its way. All passes unchanged but the first words of
 * requests that name nodes: they wait at the front of the read buffer until they are complete.
 *
 * The last byte of an AUTH among other requests waits until all replies before it have come, and
 * what is behind it waits for its own: so a node answers it in any case (see `mayBeDropped`).
 */
export class RequestRelay implements RequestSink<NotedCommand> {
  readonly #options: RequestRelayOptions;
  readonly #scanner: RequestScanner<NotedCommand>;
  readonly #input: ReadBuffer;
  /** What the request behind which the scanner has paused will make the node send. */
  #paused: Reply | undefined;
  /** The client is being waited for. */
  #isReading = false;
  #reads = 0;
  /** Resolved when the last request is on its way that is to be, once `drain` asks for that. */
  #drained: PromiseWithResolvers<void> | undefined;
  #isOver = false;
  /** A request has asked for a stream: what follows may be no requests, and must not wait. */
  #streams = false;

  constructor(options: RequestRelayOptions) {
    this.#options = options;
    this.#scanner = new RequestScanner(COMMANDS, this);
    this.#input = new ReadBuffer(options.buffers);
  }

  /** Whether it was not the client, if a connection that is gone has made the relay fail. */
  get isRefused(): boolean {
    return !this.#isReading;
  }

  /** How often the client has sent something. */
  get reads(): number {
    return this.#reads;
  }

  /**
   * Passes on the rest of the request that is in progress, and of all that follows nothing; done
   * when that rest is on its way. What the client goes on to send is read all the same: a
   * connection that is closed with something unread takes with it what was written last.
   */
  drain(): Promise<void> {
    this.#scanner.single = true;
    this.#drained ??= Promise.withResolvers();
    if ((this.#isReading && this.#isDone) || this.#isOver) this.#drained.resolve();
    return this.#drained.promise;
  }

  /**
   * Relays until the client ends its side.
   *
   * @throws {PairingError} when its requests cannot be followed
   */
  async run(): Promise<void> {
    const { turns } = this.#options;
    try {
      for (;;) {
        if (turns.areScarce) await turns.next();
        if (this.#isDone) this.#drained?.resolve();
        this.#isReading = true;
        const read = await this.#options.client.read(this.#input.room);
        this.#isReading = false;
        turns.note();
        if (read === null) break;
        this.#reads++;
        if (this.#isDone) continue;
        const held = this.#input.end;
        const at = this.#scan(held + read);
        if (this.#isPlain(at)) {
          // Most of what comes takes this way, and each promise more would be felt.
          const bytes = this.#input.upTo(at);
          const written = await this.#options.upstream.write(bytes);
          if (written < at) await writeRest(this.#options.upstream, bytes, written);
          this.#input.keep(at);
        } else this.#input.keep(await this.#relayParts(held, at));
      }
      await this.#forward(this.#input.bytes.subarray(0, this.#input.end));
    } finally {
      this.#isOver = true;
      this.#drained?.resolve();
    }
  }

  /** Whether all that is to go on has, when the scanner stops behind each request. */
  get #isDone(): boolean {
    return this.#scanner.single && this.#input.end === 0 && this.#scanner.isBetween;
  }

  /** Scans what was read behind what is held, and returns where the first stop is. */
  #scan(end: number): number {
    const input = this.#input;
    const held = input.end;
    input.end = end;
    return this.#scanner.advance(input.bytes, held, end);
  }

  /** Whether all that was read was scanned up to `at`, and may go on as it is. */
  #isPlain(at: number): boolean {
    return at === this.#input.end && this.#scanner.held === 0 && this.#paused === undefined &&
      this.#options.echo === undefined;
  }

  /**
   * Forwards what was read part by part, of which [held, scanned) is the first that was scanned,
   * and returns where it has to wait.
   */
  async #relayParts(held: number, scanned: number): Promise<number> {
    const { pending, echo } = this.#options;
    const scanner = this.#scanner;
    const { bytes, end } = this.#input;
    let from = held;
    let at = scanned;
    let sent = 0;
    for (;;) {
      const heldFrom = this.#streams ? at : at - scanner.held;
      echo?.request(bytes.subarray(from, at), scanner.hidden.map((position) => position - from));
      if (this.#paused !== undefined) {
        await this.#forward(bytes.subarray(sent, at - 1));
        await pending.settled();
        pending.expect(this.#paused);
        this.#paused = undefined;
        await this.#forward(bytes.subarray(at - 1, at));
        await pending.settled(AUTH_TIMEOUT_MS);
        sent = at;
      } else {
        await this.#forward(bytes.subarray(sent, heldFrom));
        sent = heldFrom;
        if (scanner.opening !== undefined && !this.#streams) {
          await this.#forward(await this.#translated(scanner.opening) ?? bytes.subarray(sent, at));
          sent = at;
        }
      }
      const isDone = scanner.single && scanner.isBetween;
      // What is left behind the last request that is to go on, and not held, is dropped.
      if (isDone) return end;
      if (at === end) return sent;
      from = at;
      at = scanner.advance(bytes, from, end);
    }
  }

  /** Requests that get one frame each, whatever it is. */
  plain(count: number): void {
    this.#options.pending.expect(Replies.plain, count);
  }

  /** A request whose reply needs attention. */
  known(command: NotedCommand, argv: readonly string[], argc: number): void {
    const { pending } = this.#options;
    const reply = command.reply(argv, argc);
    if (reply.type === "stream" || reply.type === "unknown") this.#streams = true;
    if (mayBeDropped(reply) && !pending.isQuiet) this.#paused = reply;
    else pending.expect(reply);
  }

  /** A request without words. */
  empty(): void {
    this.#options.pending.expect(Replies.empty);
  }

  /** Bytes that are no request. */
  broken(): void {
    this.#options.pending.expect(Replies.protocolError);
  }

  /** What goes on in the place of the words of a request, if something else does. */
  async #translated({ words, argc }: Opening): Promise<Uint8Array | undefined> {
    const translated = await this.#options.translate(words);
    return translated && encodeOpening(translated, argc + translated.length - words.length);
  }

  async #forward(bytes: Uint8Array): Promise<void> {
    if (bytes.length > 0) await writeAll(this.#options.upstream, bytes);
  }
}
