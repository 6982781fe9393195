import type { NatEntry } from "../nat/nat_table.ts";
import { formatHostPort } from "../platform/address.ts";
import {
  close,
  closeWrite,
  type Connection,
  isGone,
  socketAddress,
  type TcpConnection,
} from "../platform/net.ts";
import { createNonce } from "../relay/marker.ts";
import { ReplyRelay } from "../relay/reply_relay.ts";
import { ReplyTracker } from "../relay/reply_tracker.ts";
import { LoginRefusedError } from "../relay/login_refused_error.ts";
import { AbandonedError, PairingError } from "../relay/pairing_error.ts";
import { RequestRelay } from "../relay/request_relay.ts";
import { refuseLogin } from "./client_login.ts";
import { type EndReason, endReasonOf, TIMEOUT_REASONS } from "./end_reason.ts";
import { SessionConnections } from "./session_connections.ts";
import type {
  ServedSession,
  SessionContext,
  SessionOrigin,
  SessionTraffic,
} from "./session_context.ts";
import { SessionLog } from "./session_log.ts";
import { SessionRewriter } from "./session_rewriter.ts";
import { SessionTimeouts } from "./session_timeouts.ts";
import type { PortStatistics } from "./statistics.ts";
import { SessionTrafficLog } from "./traffic_log.ts";

/** By the time an answer arrives, this much has left the machine, on any network. */
const SURELY_SENT_BYTES = 64 * 1024;

/**
 * One client connection and its upstream connection. The session owns both, by its
 * `SessionConnections`; no other code may read or write them.
 *
 * ```
 *   start ─▶ openClient ─▶ openUpstream ─▶ RequestRelay  client ─▶ node ─┐
 *                │              │          ReplyRelay    node ─▶ client ─┴▶ both ended ─▶ onClosed
 *                └──────────────┴▶ failed ──────────────────────────────────────────────▶ onClosed
 * ```
 *
 * The end of one side is passed on to the other; a failure of one direction ends both.
 */
export class Session implements ServedSession {
  readonly node: NatEntry;
  /** The statistics of the port at which the client was accepted. */
  readonly port: PortStatistics;
  readonly #connections: SessionConnections;
  readonly #context: SessionContext;
  readonly #log: SessionLog;
  readonly #timeouts = new SessionTimeouts();
  readonly #tracker = new ReplyTracker();
  #requests: RequestRelay | undefined;
  #replies: ReplyRelay | undefined;
  /** Why the session ends, once it does. */
  #endReason: EndReason | undefined;
  /** The first failure of a direction; `refusal` is resolved when the client was told of it. */
  #failure: { readonly reason: unknown; readonly refusal?: Promise<void> } | undefined;
  /** How many directions have not ended. */
  #directions = 0;
  /** Whether the client got the end of its stream. */
  #isAnswered = false;
  /** Resolved when the client gets it; undefined until `drain` waits for that. */
  #answered: PromiseWithResolvers<void> | undefined;

  /** @param client an accepted connection, which the session owns from now on */
  constructor(
    client: TcpConnection,
    { clientId, node, port }: SessionOrigin,
    context: SessionContext,
  ) {
    this.node = node;
    this.port = port;
    this.#connections = new SessionConnections(client);
    this.#context = context;
    this.#log = new SessionLog({ clientId, node }, textOf(client.remoteAddr), context);
  }

  /** The client, as the log names it. */
  get client(): ServedSession["client"] {
    return { id: this.#log.clientId, address: this.#log.clientAddress };
  }

  /** Why the session has ended. */
  get endReason(): EndReason {
    return this.#endReason ?? "error";
  }

  /** What was relayed so far. */
  get traffic(): SessionTraffic {
    return {
      requests: this.#requests?.requests ?? 0,
      receivedFromClient: this.#requests?.receivedBytes ?? 0,
      receivedFromNode: this.#replies?.receivedBytes ?? 0,
    };
  }

  /** Starts to serve the client. Never throws: failures are logged, and end in `onClosed`. */
  async start(): Promise<void> {
    try {
      await this.#connections.openClient(this.#context, (address) => {
        this.#log.clientAddress = textOf(address);
      });
      const upstream = this.#hasEnded ? undefined : await this.#connect();
      if (upstream === undefined) {
        this.#finish();
        return;
      }
      const { registry, onConnected } = this.#context;
      registry.add(this.node, textOf(upstream.localAddr), this.#log.clientAddress);
      this.#log.connected(registry.countOf(this.node));
      onConnected();
      this.#relay(upstream);
    } catch (error) {
      await this.#failWithReply(error, "client_closed");
      this.#finish();
    }
  }

  /** Closes both connections at once; the first reason counts. */
  end(reason: EndReason): void {
    this.#endReason ??= reason;
    this.#close();
  }

  /** Whether both connections are closed. */
  get #hasEnded(): boolean {
    return this.#connections.areClosed;
  }

  #close(): void {
    if (this.#hasEnded) return;
    this.#connections.close();
    this.#tracker.abandon();
  }

  /**
   * Ends the session in order: replies in progress are completed, new requests are not forwarded.
   * When no reply is due the node gets the end of its stream, and closes the connection after its
   * last reply. Then the client gets the end of its stream, and has some time to close its side.
   */
  async drain(): Promise<void> {
    this.#endReason ??= "shutdown";
    if (this.#requests === undefined) return this.#close();
    try {
      await this.#closeGracefully(this.#requests, this.#replies!);
    } catch (error) {
      this.#fail(error, "shutdown");
    }
  }

  /** Ends the session if a timeout has expired. */
  checkTimeouts(nowMs: number): void {
    const progress = (this.#requests?.receivedBytes ?? 0) + (this.#replies?.receivedBytes ?? 0);
    const expired = this.#timeouts.check(nowMs, progress, this.#replies?.capture, this.#context);
    if (expired === undefined) return;
    this.#log.expired(expired, this.#context);
    this.#endReason ??= TIMEOUT_REASONS[expired];
    this.#close();
  }

  /**
   * Connects to the node; undefined if it does not answer, or the session ends meanwhile.
   *
   * @throws {LoginRefusedError} if the proxy cannot log the client in
   */
  async #connect(): Promise<Connection | undefined> {
    try {
      return await this.#connections.openUpstream(this.node, this.port, this.#context);
    } catch (error) {
      if (error instanceof LoginRefusedError) throw error;
      this.#endReason = "connect_failed";
      this.#log.connectFailed(error);
      await this.#context.onConnectFailed(this.node, error);
      return undefined;
    }
  }

  /** Starts both directions. */
  #relay(upstream: Connection): void {
    const { buffers, scheduler, budget, addressSources, echo, login, statistics } = this.#context;
    const { client } = this.#connections;
    const tracker = this.#tracker;
    const rewriter = new SessionRewriter(
      { node: this.node, client, upstream },
      addressSources,
      { log: this.#log, statistics },
    );
    const trafficLog = echo ? new SessionTrafficLog(this.#log.clientId, this.node) : undefined;
    // One object for both relays, to save the memory of a second one.
    const options = {
      client,
      upstream,
      tracker,
      buffers,
      scheduler,
      budget,
      rewriter,
      unreadReplies: () => this.#replies?.unreadReplies,
      createNonce,
      login: login && (() => login.request()),
      trafficLog,
    };
    this.#requests = new RequestRelay(options);
    this.#replies = new ReplyRelay(options);
    this.#directions = 2;
    // Callbacks, because a suspended async function takes four times the memory.
    const endRequests = (reason?: unknown) => this.#endRequests(upstream, reason);
    const endReplies = (reason?: unknown) => this.#endReplies(reason);
    this.#requests.run().then(endRequests, endRequests);
    this.#replies.run().then(endReplies, endReplies);
  }

  /** Passes the end of the client's side on to the node, or fails for `reason`. */
  async #endRequests(upstream: Connection, reason: unknown): Promise<void> {
    try {
      const { failedUpstream } = this.#requests!;
      if (reason === undefined) {
        this.#endReason ??= "client_closed";
        this.#timeouts.recordClientEnd();
        await closeWrite(upstream);
      } else if (!failedUpstream || !isNodeGone(reason)) {
        // A node that has closed may have sent the reason, which is still to be read.
        await this.#failWithReply(reason, failedUpstream ? "node_closed" : "client_closed");
      }
    } catch (error) {
      this.#fail(error, "node_closed");
    }
    this.#endDirection();
  }

  /** Passes the end of the node's side on to the client, or fails for `reason`. */
  async #endReplies(reason: unknown): Promise<void> {
    try {
      const gone = this.#replies!.unreadReplies === undefined ? "node_closed" : "client_closed";
      const isClosed = reason === undefined || isGone(reason);
      if (isClosed && this.#isNodeEndUnexpected) {
        await this.#context.onConnectFailed(this.node, reason);
      }
      if (reason === undefined) {
        this.#endReason ??= "node_closed";
        this.#timeouts.recordNodeEnd();
        this.#tracker.abandon();
        await closeWrite(this.#connections.client);
      } else await this.#failWithReply(reason, gone);
    } catch (error) {
      this.#fail(error, "client_closed");
    }
    this.#isAnswered = true;
    this.#answered?.resolve();
    this.#endDirection();
  }

  /** Whether the node has no reason to close the connection, such as the end of the client. */
  get #isNodeEndUnexpected(): boolean {
    return !this.#hasEnded && this.#failure === undefined && !this.#timeouts.hasClientEnded &&
      this.#answered === undefined;
  }

  async #closeGracefully(
    requests: RequestRelay,
    replies: ReplyRelay,
  ): Promise<void> {
    const beforeBytes = replies.receivedBytes;
    try {
      await requests.drain();
      await this.#tracker.drained();
    } catch (error) {
      if (error instanceof AbandonedError) return;
      // If replies cannot be paired with requests, no reply is waited for.
      if (!(error instanceof PairingError)) throw error;
    }
    if (this.#hasEnded) return;
    await closeWrite(this.#connections.upstream!);
    if (!this.#isAnswered) await (this.#answered = Promise.withResolvers()).promise;
    // A client that does not read may have more than that in the kernel's buffers.
    if (replies.receivedBytes - beforeBytes > SURELY_SENT_BYTES) return;
    this.#timeouts.recordGracefulClose();
  }

  #endDirection(): void {
    this.#directions--;
    if (this.#directions > 0) return;
    try {
      this.#context.registry.delete(this.node, textOf(this.#connections.upstream!.localAddr));
    } finally {
      this.#finish();
    }
  }

  /** Logs how the session has ended, and closes what is open. */
  #finish(): void {
    if (this.#failure !== undefined) this.#log.failed(this.#failure.reason);
    else if (this.#connections.upstream !== undefined) this.#log.ended();
    this.#close();
    this.#context.onClosed(this);
  }

  /** Like `#fail`; if the proxy could not log the client in, the client gets an error first. */
  async #failWithReply(reason: unknown, gone: EndReason): Promise<void> {
    if (reason instanceof LoginRefusedError && !this.#hasEnded) {
      close(this.#connections.upstream!);
      this.#failure ??= { reason, refusal: refuseLogin(this.#connections.client) };
    }
    await this.#failure?.refusal;
    this.#fail(reason, gone);
  }

  /**
   * Ends both directions; only the first failure counts, because it makes the other one fail.
   *
   * @param gone why the session ends if the failure means that a connection is closed
   */
  #fail(reason: unknown, gone: EndReason): void {
    this.#failure ??= { reason };
    this.end(endReasonOf(reason, gone));
  }
}

/** The text of an address in the form of CLIENT LIST. */
function textOf(address: Deno.NetAddr): string {
  return formatHostPort(socketAddress(address));
}

/** Whether the node has ended the connection. */
function isNodeGone(reason: unknown): boolean {
  return isGone(reason) || reason instanceof AbandonedError;
}
