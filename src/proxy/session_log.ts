import type { NatEntry } from "../nat/nat_table.ts";
import { UnknownPublicPortError } from "../nat/no_public_port_error.ts";
import { formatHostPort } from "../platform/address.ts";
import { log } from "../platform/log.ts";
import type { LogFields } from "../platform/log_record.ts";
import { isExhausted, isGone } from "../platform/net.ts";
import { CaptureLimitError } from "../relay/capture.ts";
import { LoginRefusedError } from "../relay/login_refused_error.ts";
import { AbandonedError, PairingError } from "../relay/pairing_error.ts";
import { RespError } from "../resp/framing.ts";
import { TlsError } from "../tls/tls_error.ts";
import { TunnelDownError } from "../tunnel/tunnel_error.ts";
import { ProxyHeaderError } from "./proxy_header.ts";
import type { SessionContext, SessionOrigin } from "./session_context.ts";
import type { ExpiredTimeout, TimeoutOptions } from "./session_timeouts.ts";

/** What the logs of all sessions of a view share. */
type SessionLogContext = Pick<SessionContext, "throttle" | "viewName">;

/** What one session logs. Repeated messages of clients of the same host are suppressed. */
export class SessionLog {
  /** Identifies the client in the log. */
  readonly clientId: number;
  /** The address of the client; that of a load balancer until its header names the client. */
  clientAddress: string;
  readonly #node: NatEntry;
  readonly #context: SessionLogContext;

  constructor(
    { clientId, node }: Pick<SessionOrigin, "clientId" | "node">,
    clientAddress: string,
    context: SessionLogContext,
  ) {
    this.clientId = clientId;
    this.clientAddress = clientAddress;
    this.#node = node;
    this.#context = context;
  }

  /** The node has accepted the connection; it has `count` clients now. */
  connected(count: number): void {
    const { node_addr } = this.#fields;
    if (this.#context.throttle.recovered(node_addr)) {
      log.info("Node {node_addr} is reachable again", { node_addr, node_id: this.#node.id });
    }
    this.#debug(
      "Client {client_id} at {client_addr} is connected to node {node_addr}; " +
        "clients on this node: {count}",
      { count },
    );
  }

  /** The node cannot be reached. */
  connectFailed(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    const fields = { ...this.#fields, reason };
    const message = "Cannot connect to node {node_addr}, closing client {client_id}: {reason}";
    // The lack of file descriptors, and that of the tunnel, is logged for all clients together.
    if (isExhausted(error) || error instanceof TunnelDownError) this.#debug(message, { reason });
    else {
      const key = { topic: fields.node_addr, cause: reason };
      this.#context.throttle.log("warning", key, [this.#named(message), fields]);
    }
  }

  /** A reply, or a push, names a node that has no public port. */
  noPublicPort(error: Error, isPush: boolean): void {
    const message = isPush
      ? "Dropped a push to client {client_id}: {reason}"
      : "Replied CLUSTERDOWN to client {client_id}: {reason}";
    const fields = { ...this.#fields, reason: error.message };
    const named = this.#named(message);
    if (error instanceof UnknownPublicPortError) log.debug(named, fields);
    else {
      const key = { topic: "ports", cause: error.message };
      this.#context.throttle.log("error", key, [named, fields]);
    }
  }

  /** A timeout has expired, so the session ends. */
  expired(timeout: ExpiredTimeout, { idleTimeoutMs, captureTimeoutMs }: TimeoutOptions): void {
    switch (timeout) {
      case "unread-reply":
        this.#logThrottled(
          "warning",
          "Closing client {client_id}: it did not read a rewritten reply of node {node_addr} " +
            "within {timeout_ms} ms (--capture-timeout)",
          { timeout_ms: captureTimeoutMs },
        );
        break;
      case "unfinished-reply":
        this.#logThrottled(
          "warning",
          "Closing client {client_id}: node {node_addr} did not finish a reply within " +
            "{timeout_ms} ms (--capture-timeout)",
          { timeout_ms: captureTimeoutMs },
        );
        break;
      case "idle":
        this.#logThrottled(
          "info",
          "Closing client {client_id}: idle for more than {timeout_ms} ms (--idle-timeout)",
          { timeout_ms: idleTimeoutMs },
        );
        break;
      case "half-closed":
      case "close-wait":
        // One side has ended already.
    }
  }

  /** Both sides have ended in order. */
  ended(): void {
    this.#debug("Client {client_id} disconnected");
  }

  /** A direction has failed, which has ended the session. */
  failed(error: unknown): void {
    if (isGone(error) || error instanceof AbandonedError) {
      this.#debug("Client {client_id} lost its connection");
    } else if (
      error instanceof CaptureLimitError || error instanceof TlsError ||
      error instanceof ProxyHeaderError
    ) {
      this.#logThrottled(
        "warning",
        "Closing client {client_id} at {client_addr} of node {node_addr}: {reason}",
        { reason: error.message },
      );
    } else if (error instanceof LoginRefusedError) {
      this.#logThrottled(
        "error",
        "Closing client {client_id} at {client_addr}: the proxy cannot log in for it (--login): " +
          "{reason}",
        { reason: error.message },
      );
    } else if (error instanceof RespError || error instanceof PairingError) {
      this.#logThrottled(
        "warning",
        "Closing client {client_id} at {client_addr}: cannot follow its connection to node " +
          "{node_addr}: {reason}",
        { reason: error.message },
      );
    } else {
      this.#logThrottled(
        "error",
        "Closing client {client_id} at {client_addr} after an unexpected error: {reason}",
        { reason: error instanceof Error ? error.stack ?? error.message : String(error) },
      );
    }
  }

  get #fields() {
    const { viewName } = this.#context;
    return {
      ...viewName !== undefined && { view: viewName },
      client_id: this.clientId,
      client_addr: this.clientAddress,
      node_id: this.#node.id,
      node_addr: formatHostPort(this.#node.address),
    };
  }

  /** Logs a message unless it was logged for another client of the same host. */
  #logThrottled(
    level: "info" | "warning" | "error",
    message: string,
    details: LogFields,
  ): void {
    const fields = this.#fields;
    const topic = this.clientAddress.replace(/:\d+$/, "");
    const cause = JSON.stringify([fields.node_addr, message, details]);
    const named = this.#named(message);
    this.#context.throttle.log(level, { topic, cause }, [named, { ...fields, ...details }]);
  }

  #debug(message: string, details: LogFields = {}): void {
    log.debug(this.#named(message), { ...this.#fields, ...details });
  }

  /** A message with the view, if there are several. */
  #named(message: string): string {
    return this.#context.viewName === undefined ? message : `${message} (view {view})`;
  }
}
