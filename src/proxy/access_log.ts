import { formatHostPort } from "../platform/address.ts";
import { log } from "../platform/log.ts";
import type { ServedSession } from "./session_context.ts";

/** Logs each client connection when it has ended (`--access-log`). */
export class AccessLog {
  /** When the clients that are connected were accepted, on the monotonic clock. */
  readonly #acceptedAtMs = new Map<ServedSession, number>();

  /** Records that a client was accepted. */
  accepted(session: ServedSession): void {
    this.#acceptedAtMs.set(session, performance.now());
  }

  /** Logs a session that has ended. */
  ended(session: ServedSession): void {
    const nowMs = performance.now();
    const durationMs = Math.round(nowMs - (this.#acceptedAtMs.get(session) ?? nowMs));
    this.#acceptedAtMs.delete(session);
    const { client, node, port: { port, view }, traffic, endReason } = session;
    log.info(
      "Client {client_id} at {client_addr} has left port {port} of view {view}, node " +
        "{node_addr}, after {duration_ms} ms: {requests} requests, {from_client_bytes} bytes " +
        "from the client, {from_node_bytes} bytes from the node; reason: {reason}",
      {
        client_id: client.id,
        client_addr: client.address,
        port,
        view,
        node_id: node.id,
        node_addr: formatHostPort(node.address),
        duration_ms: durationMs,
        requests: traffic.requests,
        from_client_bytes: traffic.receivedFromClient,
        from_node_bytes: traffic.receivedFromNode,
        reason: endReason,
      },
    );
  }
}
