import { type ByteSink, type ByteSource, writeAll } from "../net.ts";
import { encodeOpening } from "../resp/frame.ts";
import { type Opening, RequestScanner, type RequestSink } from "../resp/requests.ts";
import { COMMANDS, type NotedCommand } from "./commands.ts";
import type { Echo } from "./echo.ts";
import type { PendingReplies } from "./pending.ts";
import { mayBeDropped, Replies, type Reply } from "./replies.ts";

/** What a request relay works with. */
export interface RequestRelayOptions {
  /** Read by the relay alone. */
  readonly client: ByteSource;
  /** Written by the relay alone. */
  readonly upstream: ByteSink;
  readonly pending: PendingReplies;
  /** The size of the read buffer. */
  readonly bufferBytes: number;
  /** Puts private addresses in the place of public ones, or returns undefined if there are none. */
  readonly translate: (words: readonly string[]) => Promise<readonly string[] | undefined>;
  readonly echo: Echo | undefined;
}

/**
 * An AUTH is answered at once, or when a module has asked somewhere else; one that is not was
 * dropped by the node.
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
  /** What the request behind which the scanner has paused will make the node send. */
  #paused: Reply | undefined;
  #isRefused = false;
  #reads = 0;
  /** Everything read has gone on, and ends with a request. */
  #rests = true;
  /** Resolved when the last request is on its way that is to be, which `drain` asks for. */
  readonly #drained = Promise.withResolvers<void>();
  /** A request has asked for a stream: what follows may be no requests, and must not wait. */
  #streams = false;

  constructor(options: RequestRelayOptions) {
    this.#options = options;
    this.#scanner = new RequestScanner(COMMANDS, this);
  }

  /** Whether the relay has failed because the node takes nothing more. */
  get isRefused(): boolean {
    return this.#isRefused;
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
    if (this.#rests) this.#drained.resolve();
    return this.#drained.promise;
  }

  /**
   * Relays until the client ends its side.
   *
   * @throws {PairingError} when its requests cannot be followed
   */
  async run(): Promise<void> {
    try {
      await this.#relay();
    } finally {
      this.#drained.resolve();
    }
  }

  async #relay(): Promise<void> {
    const { client, pending, bufferBytes, echo } = this.#options;
    const scanner = this.#scanner;
    const usual = new Uint8Array(bufferBytes);
    let buffer = usual;
    let held = 0;
    for (;;) {
      if (2 * held > buffer.length) buffer = grown(buffer);
      else if (held === 0) buffer = usual;
      this.#rests = held === 0 && scanner.isBetween;
      if (this.#rests && scanner.single) this.#drained.resolve();
      const read = await client.read(buffer.subarray(held));
      if (read === null) {
        await this.#forward(buffer.subarray(0, held));
        return;
      }
      this.#reads++;
      if (this.#rests && scanner.single) continue;
      this.#rests = false;
      const end = held + read;
      let at = held;
      let sent = 0;
      while (at < end && !(scanner.single && scanner.isBetween)) {
        const from = at;
        at = scanner.advance(buffer, from, end);
        const heldFrom = this.#streams ? at : at - scanner.held;
        echo?.request(buffer.subarray(from, at), scanner.hidden.map((position) => position - from));
        if (this.#paused !== undefined) {
          await this.#forward(buffer.subarray(sent, at - 1));
          await pending.settled();
          pending.expect(this.#paused);
          this.#paused = undefined;
          await this.#forward(buffer.subarray(at - 1, at));
          await pending.settled(AUTH_TIMEOUT_MS);
          sent = at;
          continue;
        }
        await this.#forward(buffer.subarray(sent, heldFrom));
        sent = heldFrom;
        if (scanner.opening === undefined || this.#streams) continue;
        await this.#forward(await this.#translated(scanner.opening) ?? buffer.subarray(sent, at));
        sent = at;
      }
      // What is left behind the last request that is to go on, and not held, is dropped.
      held = scanner.single && scanner.isBetween ? 0 : end - sent;
      buffer.copyWithin(0, sent, end);
    }
  }

  /** A request that gets one frame, whatever it is. */
  plain(): void {
    this.#options.pending.expect(Replies.plain);
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
    if (bytes.length === 0) return;
    try {
      await writeAll(this.#options.upstream, bytes);
    } catch (error) {
      this.#isRefused = true;
      throw error;
    }
  }
}

/** A buffer of twice the size with the same content. */
function grown(buffer: Uint8Array): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(2 * buffer.length);
  larger.set(buffer);
  return larger;
}
