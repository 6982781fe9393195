import { formatHostPort, type HostPort } from "../platform/address.ts";
import { OperatorError } from "../platform/operator_error.ts";
import { dial } from "../platform/net.ts";
import { ping, type PingResult } from "../cluster/ping.ts";

/** Shorter than the timeout of a probe whose manifest wants to show why it failed. */
const DEADLINE_MS = 5000;

/** Connections at a time: one for each port of the default range. Each counts as a client. */
const MAX_PROBES = 64;

/**
 * Asks a running proxy whether clients can use it: all ports at once, until the first one answers.
 * An error counts as an answer: a proxy that wants a password, or has too many clients, is at work.
 * A port that is closed belongs to no node, or to one that is down. With some nodes down the proxy
 * serves the rest; with all of them down it serves nobody.
 *
 * @param addresses where the proxy may be listening
 * @returns the address that answered first
 * @throws {OperatorError} when none did within DEADLINE_MS
 */
export async function checkHealth(addresses: readonly HostPort[]): Promise<HostPort> {
  // The node behind a port is the same, at every address of the machine.
  const hostsByPort = Map.groupBy(addresses, ({ port }) => port);
  const waiting = hostsByPort.values();
  const rounds = Math.ceil(hostsByPort.size / MAX_PROBES);
  const answered = new AbortController();
  const findings = new Map<HostPort, PingResult>();
  const probes = Array.from({ length: MAX_PROBES }, async () => {
    for (const hosts of waiting) {
      const endMs = performance.now() + DEADLINE_MS / rounds;
      for (const address of hosts) {
        if (answered.signal.aborted) return;
        const connect = (timeoutMs: number, attempt: AbortController) =>
          dial(address, timeoutMs, attempt);
        const finding = await ping(connect, endMs - performance.now(), answered.signal);
        findings.set(address, finding);
        if (finding === "answering") answered.abort();
        if (finding !== "closed") break;
      }
    }
  });
  await Promise.all(probes);

  const first = (finding: PingResult) => addresses.find((place) => findings.get(place) === finding);
  const answering = first("answering");
  if (answering !== undefined) return answering;
  const silent = first("silent");
  if (silent !== undefined) {
    throw new OperatorError(
      `The proxy takes connections at ${formatHostPort(silent)}, but no node answers through ` +
        "it; is the cluster up?",
    );
  }
  throw new OperatorError(
    `Nothing listens at ${formatHostPort(addresses[0]!)} or another port of the proxy; ` +
      "is it running, with the same LISTEN_ADDR, MAX_NODES and PORT_MAP, and is a node up?",
  );
}
