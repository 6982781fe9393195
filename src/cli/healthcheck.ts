import { formatHostPort, type HostPort } from "../platform/address.ts";
import { OperatorError } from "../platform/operator_error.ts";
import { type Connection, dial, writeAll } from "../platform/net.ts";
import { ping, type PingResult } from "../cluster/ping.ts";
import type { ClientAuth } from "../tls/material.ts";
import { type HeaderVersions, ownHeader } from "../proxy/proxy_header.ts";
import { isTlsRecord } from "../tls/side.ts";
import { print } from "./stdout.ts";

/** Shorter than the probe timeouts of orchestrators, so that they get the reason of a failure. */
const DEADLINE_MS = 5000;

/** Connections at once. One per port of the default range; no more, because each is a client. */
const MAX_PROBES = 64;

/**
 * Runs `healthcheck`: prints the address that answers first.
 *
 * @throws {OperatorError} when none answers
 */
export async function healthcheck(
  addresses: readonly HostPort[],
  expected: ExpectedOfClients,
): Promise<void> {
  print(`Healthy: ${formatHostPort(await checkHealth(addresses, expected))} answers`);
}

/** What the proxy expects of its clients before the first request. */
export interface ExpectedOfClients {
  /** Whether clients must show a certificate; undefined if they are served without TLS. */
  readonly clientAuth?: ClientAuth | undefined;
  /** The versions of the PROXY header; undefined if it expects none. */
  readonly headerVersions?: HeaderVersions | undefined;
}

/**
 * Probes all ports of a running proxy at once, until the first one answers. An error such as
 * `NOAUTH` counts as an answer. The proxy is healthy if at least one node answers: a closed port
 * has no node, or its node is down, and the proxy serves the others. Where clients must show a
 * certificate, which the probe has not, the answer to its handshake is one. With TLS a proxy that has as
 * many clients as it may closes the connection in the handshake, which is an answer, too. Where load
 * balancers send PROXY headers, the probe sends one for itself, which the proxy takes from this
 * machine.
 *
 * @param addresses where the proxy may be listening
 * @returns the address that answered first
 * @throws {OperatorError} when none answers within DEADLINE_MS
 */
export async function checkHealth(
  addresses: readonly HostPort[],
  { clientAuth, headerVersions }: ExpectedOfClients = {},
): Promise<HostPort> {
  const header = headerVersions && ownHeader(headerVersions);
  const tls = clientAuth && {
    // Loaded only with TLS.
    open: (await import("../tls/unverified.ts")).openUnverified,
    isMutual: clientAuth === "yes",
  };
  // A port leads to the same node at every address of the machine.
  const hostsByPort = Map.groupBy(addresses, ({ port }) => port);
  const waiting = hostsByPort.values();
  const rounds = Math.ceil(hostsByPort.size / MAX_PROBES);
  const answered = new AbortController();
  const results = new Map<HostPort, PingResult>();
  const probes = Array.from({ length: MAX_PROBES }, async () => {
    for (const hosts of waiting) {
      const endMs = performance.now() + DEADLINE_MS / rounds;
      for (const address of hosts) {
        if (answered.signal.aborted) return;
        const result = await probe(
          address,
          { header, tls },
          endMs - performance.now(),
          answered.signal,
        );
        results.set(address, result);
        if (result === "answering") answered.abort();
        if (result !== "closed") break;
      }
    }
  });
  await Promise.all(probes);

  const first = (result: PingResult) =>
    addresses.find((address) => results.get(address) === result);
  const answering = first("answering");
  if (answering !== undefined) return answering;
  const silent = first("silent");
  if (silent !== undefined) {
    throw new OperatorError(
      `The proxy accepts connections at ${formatHostPort(silent)}, but no node answers; ` +
        "check that the cluster is up, and that the health check has the TLS options of the proxy",
    );
  }
  throw new OperatorError(
    `Nothing listens at ${formatHostPort(addresses[0]!)} or another port of the proxy; ` +
      "check that it is running with the same LISTEN_ADDR, MAX_NODES, PORT_MAP and TLS options, " +
      "and that a node is up",
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
    if (header !== undefined) await writeAll(tcp, header);
    if (tls === undefined) return tcp;
    try {
      return await tls.open(tls.isMutual ? untilAnswer(tcp) : tcp);
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
 * A connection that ends when the server has answered the beginning of the handshake. A server
 * warns of a client that goes on without a certificate.
 */
function untilAnswer(connection: Connection): Connection {
  return {
    async read(buffer) {
      const length = await connection.read(buffer);
      return length !== null && isTlsRecord(buffer[0]!) ? null : length;
    },
    write: (bytes) => connection.write(bytes),
    closeWrite: () => connection.closeWrite(),
    close: () => connection.close(),
    localAddr: connection.localAddr,
    remoteAddr: connection.remoteAddr,
  };
}
