import { formatHostPort } from "../platform/address.ts";
import type { NodeDialer } from "../cluster/node_dialer.ts";
import { type NatEntry, NoPublicPortError } from "../nat/nat_table.ts";
import { log } from "../platform/log.ts";
import type { LogThrottle } from "../platform/log_throttle.ts";
import {
  close,
  closeWrite,
  type Connection,
  isExhausted,
  isGone,
  peerAddress,
} from "../platform/net.ts";
import { fromLatin1 } from "../resp/bytes.ts";
import { RespError } from "../resp/framing.ts";
import { type RequestAddressMap, rewriteRequestArgs } from "../rewrite/request_rewriter.ts";
import { type CaptureBudget, CaptureLimitError } from "../relay/capture.ts";
import { TrafficLog } from "./traffic_log.ts";
import { createNonce } from "../relay/marker.ts";
import { AbandonedError, PairingError } from "../relay/pairing_error.ts";
import { ReplyTracker } from "../relay/reply_tracker.ts";
import type { BufferPool } from "../relay/read_buffer.ts";
import { ReplyRelay } from "../relay/reply_relay.ts";
import { RequestRelay } from "../relay/request_relay.ts";
import { type AddressSources, rewriteFrame } from "../rewrite/address_mapper.ts";
import type { ReadScheduler } from "./read_scheduler.ts";
import type { RewriteAction } from "../relay/frame_action.ts";

/** What all sessions of a proxy have in common. */
export interface SessionContext {
  readonly addressSources: AddressSources;
  /** For what is read in large pieces. */
  readonly buffers: BufferPool;
  readonly scheduler: ReadScheduler;
  readonly dialer: NodeDialer;
  /** Whether the system probes silent connections. */
  readonly keepAlive: boolean;
  /** How long neither side may send anything; Infinity is no limit. */
  readonly idleTimeoutMs: number;
  /** How long a reply to be rewritten may take to come, and to be taken; Infinity is no limit. */
  readonly captureTimeoutMs: number;
  /** For what all sessions together keep of such replies. */
  readonly budget: CaptureBudget;
  /** Whether to show all traffic in the log. */
  readonly echo: boolean;
  /** Says what may happen to any number of clients. */
  readonly throttle: LogThrottle;
  /** Called when the node of a session has taken its connection. */
  readonly onConnected: () => void;
  /**
   * Called when a node takes no connection, or has ended one unasked. Once this is resolved, a
   * client that connects again meets what it would meet at the node itself.
   */
  readonly onConnectFailed: (node: NatEntry, reason: unknown) => Promise<void>;
  /** Called when a session is over and has closed its connections. */
  readonly onClosed: (session: Session) => void;
}

/**
 * How long a client that was told the end must be silent until its connection is closed. Clients
 * leave by themselves within a round trip; but one that rests in a pool does not look. Before
 * that, a request that is on its way would make the system drop what the client has not got yet.
 */
const CLOSE_WAIT_MS = 1000;

/** So much has left the machine by the time of an answer, on any network. */
const SURELY_SENT_BYTES = 64 * 1024;

/**
 * When a node has ended its side it answers nothing any more, but a client that keeps unused
 * connections may not notice for hours. So long it has to take what the node sent last, which a
 * close could cut off: as long as systems keep a connection of which one side is closed. When a
 * client has ended its side, a node that stands still does not notice either; so long nothing may
 * come from it then.
 */
const HALF_CLOSED_TIMEOUT_MS = 60_000;

/**
 * One client connection and the one upstream connection that belongs to it. The session owns
 * both and closes both; nobody else may read or write them.
 */
export class Session {
  readonly node: NatEntry;
  readonly #id: number;
  readonly #client: Connection;
  /** From where the client has reached the proxy. */
  readonly #address: string;
  readonly #context: SessionContext;
  readonly #tracker = new ReplyTracker();
  /** Ends the attempt to reach the node, while there is one. */
  #dialing: AbortController | undefined;
  #upstream: Connection | undefined;
  #requests: RequestRelay | undefined;
  #replies: ReplyRelay | undefined;
  /** How much had come by any measure when that was last looked at, and since when nothing has. */
  #seen = 0;
  #silentSinceMs = 0;
  /** Set once all is said to a client that need not be waited for until it leaves by itself. */
  #closedGracefullyAtMs = Infinity;
  /** When the node had ended its side. */
  #nodeEndedAtMs = Infinity;
  /** When the client had ended its side. */
  #clientEndedAtMs = Infinity;
  #ended = false;
  /** Why a direction has failed, the first that did. */
  #failure: { readonly reason: unknown } | undefined;
  /** How many directions have not ended. */
  #directions = 0;
  /** The client has been told that no more replies come. */
  #isAnswered = false;
  /** Resolved then, once `drain` asks for it. */
  #answered: PromiseWithResolvers<void> | undefined;

  /** @param client an accepted connection, which the session takes over */
  constructor(id: number, client: Connection, node: NatEntry, context: SessionContext) {
    this.#id = id;
    this.#client = client;
    this.#address = addressOf(client.remoteAddr);
    this.node = node;
    this.#context = context;
  }

  /**
   * Begins to serve the client; `over` of the context is called when both sides are done. Never
   * throws: what goes wrong is logged.
   */
  async start(): Promise<void> {
    try {
      this.#client.setNoDelay(true);
      this.#client.setKeepAlive(this.#context.keepAlive);
      const upstream = await this.#dial();
      if (upstream === undefined) {
        this.#finish();
        return;
      }
      const { clients } = this.#context.addressSources;
      clients.add(this.node, addressOf(upstream.localAddr), this.#address);
      log.debug("Client {connection} at {client} is connected to node {node}, one of {count}", {
        connection: this.#id,
        client: this.#address,
        node: formatHostPort(this.node.address),
        count: clients.countOf(this.node),
      });
      this.#relay(upstream);
    } catch (error) {
      this.#fail(error);
      this.#finish();
    }
  }

  /** Closes both connections at once. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#dialing?.abort();
    close(this.#client);
    if (this.#upstream !== undefined) close(this.#upstream);
    this.#tracker.abandon();
  }

  /**
   * Ends the session in order: replies that are under way still come, requests that the client
   * sends from now on are not passed on. When nothing is asked any more the node is told so, and
   * ends the connection behind its last reply. The client is told so in turn, and has some time
   * to end its side, which `checkTimes` keeps.
   */
  async drain(): Promise<void> {
    if (this.#upstream === undefined || this.#requests === undefined) return this.end();
    try {
      await this.#closeGracefully(this.#upstream, this.#requests, this.#replies!);
    } catch (error) {
      this.#fail(error);
    }
  }

  async #closeGracefully(
    upstream: Connection,
    requests: RequestRelay,
    replies: ReplyRelay,
  ): Promise<void> {
    const beforeBytes = replies.receivedBytes;
    try {
      await requests.drain();
      await this.#tracker.drained();
    } catch (error) {
      if (error instanceof AbandonedError) return;
      // Where nothing tells whether a reply is under way, none is waited for.
      if (!(error instanceof PairingError)) throw error;
    }
    if (this.#ended) return;
    await closeWrite(upstream);
    if (!this.#isAnswered) await (this.#answered = Promise.withResolvers()).promise;
    // A client that does not read yet may have more than that waiting in the system.
    if (replies.receivedBytes - beforeBytes > SURELY_SENT_BYTES) return;
    this.#closedGracefullyAtMs = performance.now();
  }

  /** Ends the session if it is silent, or a capture takes, for longer than is allowed. */
  checkTimes(nowMs: number): void {
    if (nowMs - this.#nodeEndedAtMs > HALF_CLOSED_TIMEOUT_MS) return this.end();
    const { idleTimeoutMs, captureTimeoutMs } = this.#context;
    const seen = (this.#requests?.reads ?? 0) + (this.#replies?.receivedBytes ?? 0);
    if (seen !== this.#seen || this.#silentSinceMs === 0) {
      this.#seen = seen;
      this.#silentSinceMs = nowMs;
    }
    if (nowMs - Math.max(this.#closedGracefullyAtMs, this.#silentSinceMs) > CLOSE_WAIT_MS) {
      return this.end();
    }
    if (nowMs - Math.max(this.#clientEndedAtMs, this.#silentSinceMs) > HALF_CLOSED_TIMEOUT_MS) {
      return this.end();
    }
    const capture = this.#replies?.capture;
    if (capture !== undefined && nowMs - capture.sinceMs > captureTimeoutMs) {
      this.#logThrottled(
        "warning",
        capture.isWhole
          ? "Client {connection} is closed: it did not take a rewritten reply of node {node} " +
            "within {timeout} ms (--capture-timeout)"
          : "Client {connection} is closed: node {node} left a reply unfinished for longer than " +
            "{timeout} ms (--capture-timeout)",
        { timeout: captureTimeoutMs },
      );
      this.end();
    } else if (nowMs - this.#silentSinceMs > idleTimeoutMs) {
      this.#logThrottled(
        "info",
        "Client {connection} is closed: it was idle for longer than {timeout} ms",
        {
          timeout: idleTimeoutMs,
        },
      );
      this.end();
    }
  }

  async #dial(): Promise<Connection | undefined> {
    const { address } = this.node;
    const { dialer, keepAlive } = this.#context;
    try {
      this.#dialing = new AbortController();
      const upstream = await dialer.dial(address, this.#dialing);
      if (this.#ended) {
        close(upstream);
        return undefined;
      }
      // From here on the session closes it.
      this.#upstream = upstream;
      upstream.setKeepAlive(keepAlive);
    } catch (error) {
      if (this.#ended) return undefined;
      const reason = error instanceof Error ? error.message : String(error);
      const node = formatHostPort(address);
      const news = [
        "Node {node} cannot be reached, so client {connection} is closed: {reason}",
        { node, connection: this.#id, reason },
      ] as const;
      // That the program has no descriptors left is said by itself.
      if (isExhausted(error)) log.debug(...news);
      else this.#context.throttle.log("warning", { topic: node, cause: reason }, news);
      await this.#context.onConnectFailed(this.node, error);
      return undefined;
    } finally {
      this.#dialing = undefined;
    }
    const node = formatHostPort(address);
    if (this.#context.throttle.recovered(node)) {
      log.info("Node {node} can be reached again", { node });
    }
    this.#context.onConnected();
    return this.#upstream;
  }

  /** Starts both directions; the end of one is passed on as such. */
  #relay(upstream: Connection): void {
    const client = this.#client;
    const tracker = this.#tracker;
    const { buffers, scheduler, budget } = this.#context;
    const trafficLog = this.#context.echo
      ? new TrafficLog(this.#id, formatHostPort(this.node.address))
      : undefined;
    this.#requests = new RequestRelay({
      client,
      upstream,
      tracker,
      buffers,
      scheduler,
      translate: (words) => rewriteRequestArgs(words, this.#places(upstream)),
      unreadReplies: () => this.#replies?.unreadReplies,
      createNonce,
      trafficLog,
    });
    this.#replies = new ReplyRelay({
      client,
      upstream,
      tracker,
      buffers,
      scheduler,
      budget,
      trafficLog,
      translate: (frame, action, sinceMs) => this.#translate(frame, action, sinceMs),
    });
    this.#directions = 2;
    // Callbacks, because a function that waits takes four times the memory of one for as long.
    const endRequests = (reason?: unknown) => this.#endRequests(upstream, reason);
    const endReplies = (reason?: unknown) => this.#endReplies(reason);
    this.#requests.run().then(endRequests, endRequests);
    this.#replies.run().then(endReplies, endReplies);
  }

  /** The client has ended its side, and the node is told so; or there is a reason to fail. */
  async #endRequests(upstream: Connection, reason: unknown): Promise<void> {
    try {
      if (reason === undefined) {
        this.#clientEndedAtMs = performance.now();
        await closeWrite(upstream);
      } else if (!this.#requests!.isRefused || !isOver(reason)) {
        // A node that has closed may have sent the reason, which is still to be read.
        this.#fail(reason);
      }
    } catch (error) {
      this.#fail(error);
    }
    this.#endDirection();
  }

  /** The node has ended its side, and the client is told so; or there is a reason to fail. */
  async #endReplies(reason: unknown): Promise<void> {
    try {
      const isOver = reason === undefined || isGone(reason);
      if (isOver && this.#isAwaited) await this.#context.onConnectFailed(this.node, reason);
      if (reason === undefined) {
        this.#nodeEndedAtMs = performance.now();
        this.#tracker.abandon();
        await closeWrite(this.#client);
      } else this.#fail(reason);
    } catch (error) {
      this.#fail(error);
    }
    this.#isAnswered = true;
    this.#answered?.resolve();
    this.#endDirection();
  }

  /** Whether the client still expects something of the node. */
  get #isAwaited(): boolean {
    return !this.#ended && this.#clientEndedAtMs === Infinity && this.#answered === undefined;
  }

  #endDirection(): void {
    this.#directions--;
    if (this.#directions > 0) return;
    try {
      this.#context.addressSources.clients.delete(this.node, addressOf(this.#upstream!.localAddr));
    } finally {
      this.#finish();
    }
  }

  #finish(): void {
    if (this.#failure !== undefined) this.#logFailure(this.#failure.reason);
    else if (this.#upstream !== undefined) {
      log.debug("Client {connection} is done", { connection: this.#id });
    }
    this.end();
    this.#context.onClosed(this);
  }

  /** A failure of one direction leaves nothing for the other to do, which then fails for that. */
  #fail(reason: unknown): void {
    this.#failure ??= { reason };
    this.end();
  }

  /** What translates the requests of this session. */
  #places(upstream: Connection): RequestAddressMap {
    const { node } = this;
    const { publicHost, natTable, clients, otherClients, resolver } = this.#context.addressSources;
    return {
      publicHost,
      reachedAt: peerAddress(this.#client.localAddr).host,
      ownPort: node.publicPort,
      ownAddress: peerAddress(upstream.remoteAddr),
      nodeAt: (port) => natTable.atPort(port),
      isPrivate: (address) => natTable.isKnown(address),
      upstreamOf: (client) =>
        clients.upstreamOf(node, client) ?? otherClients?.upstreamOf(node, client),
      resolve: (host) => resolver.resolve(host),
    };
  }

  async #translate(
    frame: Uint8Array,
    { rewrite, unasked }: RewriteAction,
    sinceMs: number,
  ): Promise<Uint8Array> {
    const { addressSources } = this.#context;
    try {
      return await rewriteFrame(frame, rewrite, { from: this.node, sinceMs, addressSources });
    } catch (error) {
      if (!(error instanceof NoPublicPortError)) throw error;
      const message = "Client {connection} gets an error in place of an address: {reason}";
      const news = [message, { connection: this.#id, reason: error.message }] as const;
      this.#context.throttle.log("error", { topic: "ports", cause: error.message }, news);
      // What is nobody's answer can be left out. Clients try again on CLUSTERDOWN.
      if (unasked) return new Uint8Array(0);
      return fromLatin1("-CLUSTERDOWN The proxy has no port for a node of this reply\r\n");
    }
  }

  #logFailure(error: unknown): void {
    if (isGone(error) || error instanceof AbandonedError) {
      log.debug("Client {connection} is gone", this.#logFields);
    } else if (
      error instanceof RespError || error instanceof PairingError ||
      error instanceof CaptureLimitError
    ) {
      const message =
        "Client {connection} at {client} is closed, node {node} not understood: {reason}";
      this.#logThrottled("warning", message, { reason: error.message });
    } else {
      const message =
        "Client {connection} at {client} is closed after an unexpected error: {reason}";
      const reason = error instanceof Error ? error.stack ?? error.message : String(error);
      this.#logThrottled("error", message, { reason });
    }
  }

  /** What a line of the log may tell of this session. */
  get #logFields() {
    const node = formatHostPort(this.node.address);
    return { connection: this.#id, client: this.#address, node };
  }

  /** Says something of this client, unless it has been said of another from the same host. */
  #logThrottled(
    level: "info" | "warning" | "error",
    message: string,
    more: Record<string, unknown>,
  ): void {
    const place = this.#logFields;
    const topic = this.#address.replace(/:\d+$/, "");
    const cause = JSON.stringify([place.node, message, more]);
    this.#context.throttle.log(level, { topic, cause }, [message, { ...place, ...more }]);
  }
}

/** An address as CLIENT LIST has it. */
function addressOf(address: Deno.NetAddr): string {
  return formatHostPort(peerAddress(address));
}

/** Whether the node has ended the connection. */
function isOver(reason: unknown): boolean {
  return isGone(reason) || reason instanceof AbandonedError;
}
