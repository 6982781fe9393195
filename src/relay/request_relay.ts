import { type ByteSink, type ByteSource, writeAll, writeRest } from "../platform/net.ts";
import { comparedPart, joined } from "../resp/bytes.ts";
import { encodePrefix } from "../resp/frame.ts";
import type { CommandTable } from "../resp/command_table.ts";
import type { RequestPrefix } from "../resp/request_hold.ts";
import { RequestScanner } from "../resp/request_scanner.ts";
import type { RequestSink } from "../resp/request_sink.ts";
import { COMMANDS, type CommandSpec } from "../commands/command_spec.ts";
import {
  type ClientReplyMode,
  ExpectedReplies,
  type RequestReply,
} from "../commands/expected_reply.ts";
import type { AddressArgument } from "../commands/command_rows.ts";
import { encodeMarker } from "./marker.ts";
import { PairingError } from "./pairing_error.ts";
import type { ReplyTracker } from "./reply_tracker.ts";
import { type BufferPool, ReadBuffer } from "./read_buffer.ts";
import type { ReadScheduler, TrafficLog } from "./relay_context.ts";
import { withTimeout } from "../platform/timeout.ts";

/** The streams, the shared state and the callbacks of a request relay. */
export interface RequestRelayOptions {
  /** Only the relay reads it. */
  readonly client: ByteSource;
  /** Only the relay writes it. */
  readonly upstream: ByteSink;
  readonly tracker: ReplyTracker;
  readonly buffers: BufferPool;
  readonly scheduler: ReadScheduler;
  /**
   * Returns an AUTH request with the proxy's own credentials, to send after each RESET; undefined if
   * clients authenticate themselves.
   *
   * @throws {LoginRefusedError} when there is no password
   */
  readonly login?: (() => Promise<Uint8Array>) | undefined;
  /** The commands that are not plain; those of the table by default. */
  readonly commands?: CommandTable<CommandSpec>;
  readonly rewriter: RequestRewriter;
  /**
   * How many bytes the node has sent, if a write waits for the client to read; undefined if none
   * does.
   */
  readonly unreadReplies: () => number | undefined;
  /** Returns the text of a marker, which no other reply contains. */
  readonly createNonce: () => string;
  readonly trafficLog: TrafficLog | undefined;
}

/** Rewrites the requests of one session. */
export interface RequestRewriter {
  /** Replaces public addresses with private ones; returns undefined if there are none. */
  rewriteRequest(
    args: readonly string[],
    address: AddressArgument,
  ): Promise<readonly string[] | undefined>;
}

/**
 * A request that needs a marker waits for the reply to a MULTI before it, because a transaction
 * would queue the marker; and the login after a RESET waits for all replies. A client that reads nothing before it has written everything would then
 * wait forever; this is how long it may leave replies unread meanwhile.
 */
const UNREAD_TIMEOUT_MS = 10_000;

/** The first byte of a client that speaks TLS (RFC 8446, section 5.1), and of no command. */
const TLS_HANDSHAKE = 22;

/** A server would wait for the end of a line, and so would the client, without a reason. */
function tlsError(): PairingError {
  return new PairingError(
    "the client speaks TLS, but this port does not; set --tls-cert-file, or turn off TLS in the " +
      "client",
  );
}

/** How often unread replies are checked. */
const UNREAD_CHECK_MS = 1000;

/**
 * Forwards the bytes of a client to its node. It adds the expected reply of each request to the
 * tracker before it sends the last byte of the request. All bytes pass unchanged, with these
 * exceptions:
 *
 * - It holds the first arguments of a request that names nodes until they are complete, and
 *   rewrites the addresses in them.
 * - The node gets CLIENT REPLY ON instead of OFF and SKIP.
 * - It sends a marker after each request whose reply may be ambiguous (see `needsMarker`).
 * - With `login` it sends an AUTH after RESET.
 */
export class RequestRelay implements RequestSink<CommandSpec> {
  readonly #options: RequestRelayOptions;
  readonly #scanner: RequestScanner<CommandSpec>;
  readonly #input: ReadBuffer;
  /** The reply to the request at which the scanner has stopped: one that needs a marker, or RESET. */
  #stoppedAt: RequestReply | undefined;
  /** Whether a read from the client is pending. */
  #isReading = false;
  #receivedBytes = 0;
  #requests = 0;
  /** Created by `drain`; resolves when the request in progress was forwarded. */
  #drained: PromiseWithResolvers<void> | undefined;
  #isFinished = false;

  constructor(options: RequestRelayOptions) {
    this.#options = options;
    this.#scanner = new RequestScanner(options.commands ?? COMMANDS, this);
    this.#input = new ReadBuffer(options.buffers);
  }

  /** After a connection error, whether the connection to the node failed, not the client's. */
  get failedUpstream(): boolean {
    return !this.#isReading;
  }

  /** How many bytes the client has sent. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** How many requests the client has sent, except those after which its bytes are not parsed. */
  get requests(): number {
    return this.#requests;
  }

  /**
   * Forwards the rest of the request in progress and none after it; resolves when the rest was
   * written. Later bytes of the client are read and dropped: the kernel resets a connection that is
   * closed with unread bytes, and the client could lose its last replies.
   */
  drain(): Promise<void> {
    this.#scanner.stopAfterRequest = true;
    this.#drained ??= Promise.withResolvers();
    if ((this.#isReading && this.#isDone) || this.#isFinished) this.#drained.resolve();
    return this.#drained.promise;
  }

  /**
   * Relays until the client ends its side.
   *
   * @throws {PairingError} when the replies to its requests cannot be paired
   */
  async run(): Promise<void> {
    const { scheduler } = this.#options;
    try {
      for (;;) {
        if (scheduler.isSaturated) await scheduler.waitTurn();
        if (this.#isDone) this.#drained?.resolve();
        this.#isReading = true;
        const read = await this.#options.client.read(this.#input.free);
        this.#isReading = false;
        scheduler.recordRead();
        if (read === null) break;
        const held = this.#input.end;
        if (this.#receivedBytes === 0 && this.#input.bytes[held] === TLS_HANDSHAKE) {
          throw tlsError();
        }
        this.#receivedBytes += read;
        if (this.#isDone) continue;
        const at = this.#scan(held + read);
        if (this.#isPlain(at)) {
          // The hot path: every additional promise costs measurable CPU time.
          const bytes = this.#input.upTo(at);
          const written = await this.#options.upstream.write(bytes);
          if (written < at) await writeRest(this.#options.upstream, bytes, written);
          this.#input.keep(at);
        } else this.#input.keep(await this.#relayParts(held, at));
      }
      await this.#forward(this.#input.bytes.subarray(0, this.#input.end));
    } finally {
      this.#isFinished = true;
      this.#drained?.resolve();
    }
  }

  /** Whether `drain` was called and no more bytes are to be forwarded. */
  get #isDone(): boolean {
    if (!this.#scanner.stopAfterRequest) return false;
    return this.#options.tracker.isBlind ||
      (this.#input.end === 0 && this.#scanner.isBetweenRequests);
  }

  /** Scans the bytes after the held ones, and returns the first position where the scan stops. */
  #scan(end: number): number {
    const input = this.#input;
    const held = input.end;
    input.end = end;
    return this.#advance(input.bytes, held, end);
  }

  /** Scans up to the next stop; a blind connection has no requests to scan. */
  #advance(bytes: Uint8Array, from: number, to: number): number {
    return this.#options.tracker.isBlind ? to : this.#scanner.advance(bytes, from, to);
  }

  /** Whether all bytes were scanned up to `at` and can be forwarded unchanged. */
  #isPlain(at: number): boolean {
    return at === this.#input.end && this.#held === 0 && this.#stoppedAt === undefined &&
      this.#options.trafficLog === undefined;
  }

  /**
   * Forwards the buffer part by part, of which [held, scanned) was scanned first. Returns the
   * beginning of the bytes to keep.
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
      if (this.#stoppedAt !== undefined) {
        const reply = this.#stoppedAt;
        this.#stoppedAt = undefined;
        if (reply.type === "reset") await this.#forwardReset(bytes.subarray(sent, at));
        else await this.#forwardWithMarker(reply, bytes.subarray(sent, at));
        sent = at;
      } else {
        await this.#forward(bytes.subarray(sent, heldFrom));
        sent = heldFrom;
        if (scanner.prefix !== undefined && this.#held > 0) {
          await this.#forward(await this.#rewrite(scanner.prefix) ?? bytes.subarray(sent, at));
          sent = at;
        }
      }
      const isDone = scanner.stopAfterRequest && scanner.isBetweenRequests;
      // Requests after the last one to forward are dropped.
      if (isDone) return end;
      if (at === end) return sent;
      from = at;
      at = this.#advance(bytes, from, end);
    }
  }

  /** How many of the last scanned bytes are held. */
  get #held(): number {
    return this.#options.tracker.isBlind ? 0 : this.#scanner.heldBytes;
  }

  /** Forwards bytes that end with a request that needs a marker, and the marker. */
  async #forwardWithMarker(reply: RequestReply, bytes: Uint8Array): Promise<void> {
    const { tracker } = this.#options;
    let last = bytes;
    // EXEC always ends the transaction, also if the node refuses it.
    if (reply.type !== "exec" && tracker.transaction === "unknown") {
      await this.#forward(bytes.subarray(0, -1));
      last = bytes.subarray(-1);
      await this.#repliesTo("MULTI", tracker.transactionKnown());
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

  /** Forwards bytes that end with a RESET, and logs the client in again if the node accepts it. */
  async #forwardReset(bytes: Uint8Array): Promise<void> {
    const { tracker, login } = this.#options;
    const { resets } = tracker;
    tracker.expect(ExpectedReplies.reset);
    await this.#forward(bytes);
    // Without replies in progress, no node drops the reply to AUTH.
    await this.#repliesTo("RESET", tracker.drained());
    if (tracker.resets === resets) return;
    const request = await login!();
    tracker.expect(ExpectedReplies.login);
    await this.#forward(request);
    // If it is refused, later requests must not run as another user.
    await this.#repliesTo("RESET", tracker.drained());
  }

  /**
   * Waits until replies have come, before requests that follow are sent.
   *
   * @throws {PairingError} when the client meanwhile leaves replies unread for UNREAD_TIMEOUT_MS
   */
  async #repliesTo(command: string, come: Promise<void>): Promise<void> {
    const haveCome = come.then(() => true);
    let unread: number | undefined;
    for (let unreadMs = 0; unreadMs < UNREAD_TIMEOUT_MS;) {
      if (await withTimeout(haveCome, UNREAD_CHECK_MS)) return;
      const before = unread;
      unread = this.#options.unreadReplies();
      unreadMs = unread !== undefined && unread === before ? unreadMs + UNREAD_CHECK_MS : 0;
    }
    throw new PairingError(
      `The client sent requests after ${command} and left replies unread for ${UNREAD_TIMEOUT_MS} ms`,
    );
  }

  /** Expects one frame of any type for each of `count` requests. */
  plain(count: number): void {
    this.#requests += count;
    this.#options.tracker.expect(ExpectedReplies.plain, count);
  }

  /** Expects the reply to a command of the table; returns whether the scanner must stop. */
  known(command: CommandSpec, argv: readonly string[], argc: number): boolean {
    this.#requests++;
    const { tracker } = this.#options;
    const reply = command.reply(argv, argc);
    const isSilent = reply === ExpectedReplies.replyOff || reply === ExpectedReplies.replySkip;
    if (isSilent && this.#scanner.prefix === undefined) {
      throw new PairingError(
        "Cannot replace CLIENT REPLY: its arguments do not fit in the read buffer",
      );
    }
    const endsLogin = reply.type === "reset" && this.#options.login !== undefined;
    if (endsLogin || tracker.needsMarker(reply)) {
      this.#stoppedAt = reply;
      return true;
    }
    tracker.expect(reply);
    return false;
  }

  /** Expects no reply to a request without arguments. */
  empty(): void {
    this.#options.tracker.expect(ExpectedReplies.empty);
  }

  /** Expects an error for bytes that are no request. */
  protocolError(): void {
    this.#options.tracker.expect(ExpectedReplies.protocolError);
  }

  /** Returns the bytes to forward instead of the held arguments; undefined if unchanged. */
  async #rewrite(prefix: RequestPrefix<CommandSpec>): Promise<Uint8Array | undefined> {
    const { command, args, argc, hasHeader } = prefix;
    const address = command.address(args.map(comparedPart));
    const rewritten = address === undefined
      ? withReplyOn(args, argc)
      : await this.#options.rewriter.rewriteRequest(args, address);
    if (rewritten === undefined) return undefined;
    const count = hasHeader ? argc + rewritten.length - args.length : undefined;
    return encodePrefix(rewritten, count);
  }

  async #forward(bytes: Uint8Array): Promise<void> {
    if (bytes.length > 0) await writeAll(this.#options.upstream, bytes);
  }
}

/** Returns CLIENT REPLY ON instead of OFF and SKIP, or undefined for any other request. */
function withReplyOn(args: readonly string[], argc: number): readonly string[] | undefined {
  const [command = "", subcommand = "", mode = ""] = args.map(comparedPart);
  const isReplyMode = argc === 3 && args.length === 3 && SILENT_MODES.test(mode) &&
    /^client$/i.test(command) && /^reply$/i.test(subcommand);
  return isReplyMode ? args.with(2, ON) : undefined;
}

const SILENT_MODES = /^(off|skip)$/i;

const ON: ClientReplyMode = "on";
