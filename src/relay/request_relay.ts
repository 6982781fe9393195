import { type ByteSink, type ByteSource, writeAll, writeRest } from "../platform/net.ts";
import { comparedPart, joined } from "../resp/bytes.ts";
import { encodePrefix } from "../resp/frame.ts";
import type { CommandTable } from "../resp/command_table.ts";
import type { RequestPrefix } from "../resp/request_prefix.ts";
import { RequestScanner, type RequestSink } from "../resp/request_scanner.ts";
import { COMMANDS, type CommandSpec } from "../commands/command_spec.ts";
import {
  type ClientReplyMode,
  ExpectedReplies,
  type RequestReply,
} from "../commands/expected_reply.ts";
import type { AddressArgument } from "../commands/table.ts";
import { encodeMarker } from "./marker.ts";
import { PairingError } from "./pairing_error.ts";
import type { ReplyTracker } from "./reply_tracker.ts";
import { type BufferPool, ReadBuffer } from "./read_buffer.ts";
import type { ReadScheduler, TrafficLog } from "./relay_context.ts";
import { withTimeout } from "../platform/timeout.ts";

/** What a request relay works with. */
export interface RequestRelayOptions {
  /** Read by the relay alone. */
  readonly client: ByteSource;
  /** Written by the relay alone. */
  readonly upstream: ByteSink;
  readonly tracker: ReplyTracker;
  readonly buffers: BufferPool;
  readonly scheduler: ReadScheduler;
  /** The commands that need attention; those of the table unless a test adds some. */
  readonly commands?: CommandTable<CommandSpec>;
  /** Replaces public addresses by private ones, or returns undefined if there are none. */
  readonly rewrite: (
    args: readonly string[],
    address: AddressArgument,
  ) => Promise<readonly string[] | undefined>;
  /**
   * How many bytes the node has sent, if some of them wait for the client to read; undefined if
   * none do.
   */
  readonly unreadReplies: () => number | undefined;
  /** Makes the text of a marker, which no reply may hold. */
  readonly createNonce: () => string;
  readonly trafficLog: TrafficLog | undefined;
}

/**
 * A request that may need a marker waits to know whether a MULTI before it was refused, because a
 * transaction would queue the marker. A client that reads nothing until it has written everything
 * would wait forever, so this is how long it may leave the replies unread meanwhile.
 */
const UNREAD_TIMEOUT_MS = 10_000;

/** How often that is checked. */
const UNREAD_CHECK_MS = 1000;

/**
 * Carries what a client sends to its node, and notes what each request will make the node send
 * before the last byte of the request is on its way. All passes unchanged but
 *
 * - the first words of requests that name nodes, which wait at the front of the read buffer until
 *   they are complete;
 * - CLIENT REPLY, which is ON for the node in any case;
 * - a marker behind each request whose answer cannot be told otherwise (see `isDoubtful`).
 */
export class RequestRelay implements RequestSink<CommandSpec> {
  readonly #options: RequestRelayOptions;
  readonly #scanner: RequestScanner<CommandSpec>;
  readonly #input: ReadBuffer;
  /** What the request behind which the scanner has stopped will make the node send. */
  #doubtful: RequestReply | undefined;
  /** The client is being waited for. */
  #isReading = false;
  #reads = 0;
  /** Resolved when the last request is on its way that is to be, once `drain` asks for that. */
  #drained: PromiseWithResolvers<void> | undefined;
  #isOver = false;

  constructor(options: RequestRelayOptions) {
    this.#options = options;
    this.#scanner = new RequestScanner(options.commands ?? COMMANDS, this);
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
    this.#scanner.stopAfterRequest = true;
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
    const { scheduler } = this.#options;
    try {
      for (;;) {
        if (scheduler.isSaturated) await scheduler.waitTurn();
        if (this.#isDone) this.#drained?.resolve();
        this.#isReading = true;
        const read = await this.#options.client.read(this.#input.room);
        this.#isReading = false;
        scheduler.recordRead();
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
    if (!this.#scanner.stopAfterRequest) return false;
    return this.#options.tracker.isBlind ||
      (this.#input.end === 0 && this.#scanner.isBetweenRequests);
  }

  /** Scans what was read behind what is held, and returns where the first stop is. */
  #scan(end: number): number {
    const input = this.#input;
    const held = input.end;
    input.end = end;
    return this.#advance(input.bytes, held, end);
  }

  /** Scans up to the next stop; what a client sends on a blind connection are no requests. */
  #advance(bytes: Uint8Array, from: number, to: number): number {
    return this.#options.tracker.isBlind ? to : this.#scanner.advance(bytes, from, to);
  }

  /** Whether all that was read was scanned up to `at`, and may go on as it is. */
  #isPlain(at: number): boolean {
    return at === this.#input.end && this.#held === 0 && this.#doubtful === undefined &&
      this.#options.trafficLog === undefined;
  }

  /**
   * Forwards what was read part by part, of which [held, scanned) is the first that was scanned,
   * and returns where it has to wait.
   */
  async #relayParts(held: number, scanned: number): Promise<number> {
    const { trafficLog } = this.#options;
    const scanner = this.#scanner;
    const { bytes, end } = this.#input;
    let from = held;
    let at = scanned;
    let sent = 0;
    for (;;) {
      const heldFrom = at - this.#held;
      trafficLog?.request(
        bytes.subarray(from, at),
        scanner.secrets.map((position) => position - from),
      );
      if (this.#doubtful !== undefined) {
        await this.#forwardDoubtful(this.#doubtful, bytes.subarray(sent, at));
        this.#doubtful = undefined;
        sent = at;
      } else {
        await this.#forward(bytes.subarray(sent, heldFrom));
        sent = heldFrom;
        if (scanner.prefix !== undefined && this.#held > 0) {
          await this.#forward(await this.#rewritten(scanner.prefix) ?? bytes.subarray(sent, at));
          sent = at;
        }
      }
      const isDone = scanner.stopAfterRequest && scanner.isBetweenRequests;
      // What is left behind the last request that is to go on, and not held, is dropped.
      if (isDone) return end;
      if (at === end) return sent;
      from = at;
      at = this.#advance(bytes, from, end);
    }
  }

  /** How many of the last bytes are held. */
  get #held(): number {
    return this.#options.tracker.isBlind ? 0 : this.#scanner.heldBytes;
  }

  /** Forwards what ends with a doubtful request, and the marker behind it. */
  async #forwardDoubtful(reply: RequestReply, bytes: Uint8Array): Promise<void> {
    const { tracker } = this.#options;
    let last = bytes;
    // EXEC ends a transaction whatever becomes of it.
    if (reply.type !== "exec" && tracker.transaction === "unknown") {
      await this.#forward(bytes.subarray(0, -1));
      last = bytes.subarray(-1);
      await this.#untilTransactionIsKnown();
    }
    if (tracker.isBlind || (reply.type !== "exec" && tracker.transaction === "open")) {
      tracker.expect(reply);
      await this.#forward(last);
      return;
    }
    const nonce = this.#options.createNonce();
    tracker.expect({ type: "marked", reply, nonce });
    await this.#forward(joined([last, encodeMarker(nonce)]));
  }

  /**
   * Waits until it is known whether a transaction is open.
   *
   * @throws {PairingError} when the client leaves replies unread for UNREAD_TIMEOUT_MS meanwhile
   */
  async #untilTransactionIsKnown(): Promise<void> {
    const { tracker, unreadReplies } = this.#options;
    const known = tracker.transactionKnown().then(() => true);
    let unread: number | undefined;
    for (let unreadMs = 0; unreadMs < UNREAD_TIMEOUT_MS;) {
      if (await withTimeout(known, UNREAD_CHECK_MS)) return;
      const before = unread;
      unread = unreadReplies();
      unreadMs = unread !== undefined && unread === before ? unreadMs + UNREAD_CHECK_MS : 0;
    }
    throw new PairingError(
      `The client sent more and left the replies before MULTI unread for ${UNREAD_TIMEOUT_MS} ms`,
    );
  }

  /** Requests that get one frame each, whatever it is. */
  plain(count: number): void {
    this.#options.tracker.expect(ExpectedReplies.plain, count);
  }

  /** A request whose reply needs attention. */
  known(command: CommandSpec, argv: readonly string[], argc: number): boolean {
    const { tracker } = this.#options;
    const reply = command.reply(argv, argc);
    const isSilent = reply === ExpectedReplies.replyOff || reply === ExpectedReplies.replySkip;
    if (isSilent && this.#scanner.prefix === undefined) {
      throw new PairingError("A CLIENT REPLY is too long to be replaced");
    }
    if (tracker.isDoubtful(reply)) {
      this.#doubtful = reply;
      return true;
    }
    tracker.expect(reply);
    return false;
  }

  /** A request without words. */
  empty(): void {
    this.#options.tracker.expect(ExpectedReplies.empty);
  }

  /** Bytes that are no request. */
  broken(): void {
    this.#options.tracker.expect(ExpectedReplies.protocolError);
  }

  /** What goes on in the place of the words of a request, if something else does. */
  async #rewritten(prefix: RequestPrefix<CommandSpec>): Promise<Uint8Array | undefined> {
    const { command, args, argc, hasHeader } = prefix;
    const address = command.address(args.map(comparedPart));
    const rewritten = address === undefined
      ? withReplyOn(args, argc)
      : await this.#options.rewrite(args, address);
    if (rewritten === undefined) return undefined;
    const count = hasHeader ? argc + rewritten.length - args.length : undefined;
    return encodePrefix(rewritten, count);
  }

  async #forward(bytes: Uint8Array): Promise<void> {
    if (bytes.length > 0) await writeAll(this.#options.upstream, bytes);
  }
}

/** CLIENT REPLY ON in the place of OFF and SKIP, or undefined for any other request. */
function withReplyOn(words: readonly string[], argc: number): readonly string[] | undefined {
  const [command = "", subcommand = "", mode = ""] = words.map(comparedPart);
  const isReplyMode = argc === 3 && words.length === 3 && SILENT_MODES.test(mode) &&
    /^client$/i.test(command) && /^reply$/i.test(subcommand);
  return isReplyMode ? words.with(2, ON) : undefined;
}

const SILENT_MODES = /^(off|skip)$/i;

const ON: ClientReplyMode = "on";
