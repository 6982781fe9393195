import { formatHostPort, type HostPort } from "../platform/address.ts";
import { ConnectionWrapper } from "../platform/connection_wrapper.ts";
import { OperatorError } from "../platform/operator_error.ts";
import { type Connection, dial, writeAll } from "../platform/net.ts";
import { ping, type PingResult } from "../cluster/ping.ts";
import type { ClientAuth } from "../tls/material.ts";
import { type HeaderVersions, ownHeader } from "../proxy/proxy_header.ts";
import { joined } from "../resp/bytes.ts";
import { isTlsRecord } from "../tls/side.ts";
import { print } from "./stdout.ts";

/** Shorter than the probe timeouts of orchestrators, so that they get the reason of a failure. */
const DEADLINE_MS = 5000;

/** Connections at once. One per port of the default range; no more, because each is a client. */
const MAX_PROBES = 64;

/** A listener that a proxy on this machine may have. */
export interface ProbedListener {
  /** Where it may be; it leads to the same node at all of them. */
  readonly hosts: readonly string[];
  readonly port: number;
  /** Whether clients must show a certificate; undefined if they are served without TLS. */
  readonly clientAuth?: ClientAuth | undefined;
}

/**
 * Runs `healthcheck`: prints the address that answers first.
 *
 * @throws {OperatorError} when none answers
 */
export async function healthcheck(
  listeners: readonly ProbedListener[],
  headerVersions: HeaderVersions | undefined,
): Promise<void> {
  print(`Healthy: ${formatHostPort(await checkHealth(listeners, headerVersions))} answers`);
}

/**
 * Probes all ports of a running proxy at once, until the first one answers. An error such as
 * `NOAUTH` counts as an answer. The proxy is healthy if at least one node answers: a closed port
 * has no node, or its node is down, and the proxy serves the others. Where clients must show a
 * certificate, which the probe has not, the answer to its handshake is one. With TLS a proxy that
 * has as many clients as it may closes the connection in the handshake, which is an answer, too.
 * Where load balancers send PROXY headers, the probe sends one for itself, which the proxy takes
 * from this machine.
 *
 * @param headerVersions those of the PROXY header; undefined if the proxy expects none
 * @returns the address that answered first
 * @throws {OperatorError} when none answers within DEADLINE_MS
 */
export async function checkHealth(
  listeners: readonly ProbedListener[],
  headerVersions?: HeaderVersions,
): Promise<HostPort> {
  const header = headerVersions && ownHeader(headerVersions);
  const isTls = listeners.some(({ clientAuth }) => clientAuth !== undefined);
  // Loaded only with TLS.
  const open = isTls ? (await import("../tls/unverified.ts")).openUnverified : undefined;
  const waiting = listeners.values();
  const rounds = Math.ceil(listeners.length / MAX_PROBES);
  const answered = new AbortController();
  const results: { readonly address: HostPort; readonly result: PingResult }[] = [];
  const probes = Array.from({ length: MAX_PROBES }, async () => {
    for (const { hosts, port, clientAuth } of waiting) {
      const tls = clientAuth && { open: open!, isMutual: clientAuth === "yes" };
      const endMs = performance.now() + DEADLINE_MS / rounds;
      for (const host of hosts) {
        if (answered.signal.aborted) return;
        const address = { host, port };
        const remainingMs = endMs - performance.now();
        const result = await probe(address, { header, tls }, remainingMs, answered.signal);
        results.push({ address, result });
        if (result === "answering") answered.abort();
        if (result !== "closed") break;
      }
    }
  });
  await Promise.all(probes);

  const first = (wanted: PingResult) => results.find(({ result }) => result === wanted)?.address;
  const answering = first("answering");
  if (answering !== undefined) return answering;
  const silent = first("silent");
  if (silent !== undefined) {
    throw new OperatorError(
      `The proxy accepts connections at ${formatHostPort(silent)}, but no node answers; ` +
        "check that the cluster is up, and that the health check has the TLS options of the proxy",
    );
  }
  const [{ hosts: [host], port }] = listeners as [ProbedListener];
  throw new OperatorError(
    `Nothing listens at ${formatHostPort({ host: host!, port })} or another port of the proxy; ` +
      "check that it is running with the same LISTEN_ADDR, MAX_NODES, PORT_MAP, VIEWS and TLS " +
      "options, and that a node is up",
  );
}

/** How connections to the ports of a proxy begin. */
interface Beginning {
  /** The PROXY header. */
  readonly header: Uint8Array | undefined;
  readonly tls: ProbedTls | undefined;
}

/** How the ports of a proxy speak TLS. */
interface ProbedTls {
  readonly open: (connection: Connection) => Promise<Connection>;
  /** Whether clients must show a certificate. */
  readonly isMutual: boolean;
}

async function probe(
  address: HostPort,
  { header, tls }: Beginning,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<PingResult> {
  let hasEnded = false;
  const upgrade = async (tcp: Connection) => {
    const connection = header === undefined ? tcp : new HeadedConnection(tcp, header);
    if (tls === undefined) return connection;
    try {
      return await tls.open(tls.isMutual ? new UntilAnswer(connection) : connection);
    } catch (error) {
      hasEnded = error instanceof Deno.errors.UnexpectedEof ||
        error instanceof Deno.errors.ConnectionReset;
      throw error;
    }
  };
  const connect = (timeoutMs: number, attempt: AbortController) =>
    dial(address, { timeoutMs, attempt, upgrade });
  const result = await ping(connect, timeoutMs, signal);
  return hasEnded ? "answering" : result;
}

/**
 * A connection that begins with a PROXY header. A proxy that has as many clients as it may resets a
 * connection whose header it has not read, so what is written first goes in the same packet.
 */
class HeadedConnection extends ConnectionWrapper {
  /** Undefined once it is sent. */
  #header: Uint8Array | undefined;

  constructor(connection: Connection, header: Uint8Array) {
    super(connection);
    this.#header = header;
  }

  override async write(bytes: Uint8Array): Promise<number> {
    const header = this.#header;
    if (header === undefined) return await super.write(bytes);
    this.#header = undefined;
    await writeAll({ write: (packet) => super.write(packet) }, joined([header, bytes]));
    return bytes.length;
  }
}

/**
 * A connection that ends when the server has answered the beginning of the handshake. A server
 * warns of a client that goes on without a certificate.
 */
class UntilAnswer extends ConnectionWrapper {
  override async read(buffer: Uint8Array): Promise<number | null> {
    const length = await super.read(buffer);
    return length !== null && isTlsRecord(buffer[0]!) ? null : length;
  }
}
