import { formatHostPort, type HostPort } from "./address.ts";
import { close, type Connection, dial, writeAll } from "./net.ts";
import { encodeRequest } from "./resp/frame.ts";
import { beginsValue } from "./resp/scanner.ts";
import { atMost } from "./waiting.ts";

/** No client can use the proxy now. The message is for the operator. */
export class UnhealthyError extends Error {
  override readonly name = "UnhealthyError";
}

/** A node that is cut off says nothing about the others, so the next port is soon asked. */
const PORT_TIMEOUT_MS = 500;

/** Ten nodes that are cut off; those that are down do not count, for they refuse at once. */
const DEADLINE_MS = 10 * PORT_TIMEOUT_MS;

/**
 * Asks a proxy that runs whether clients can use it: one port after the other, until there is an
 * answer. An error is one, too: whoever wants a password or has too many clients is at work. If
 * some nodes are down the proxy still does what it can; with none behind it, it serves nobody.
 *
 * @param addresses where the proxy may be listening
 * @returns the address that answered
 * @throws {UnhealthyError} when none did within a few seconds
 */
export async function checkHealth(addresses: readonly HostPort[]): Promise<HostPort> {
  const deadlineMs = performance.now() + DEADLINE_MS;
  const silent: HostPort[] = [];
  for (const address of addresses) {
    const leftMs = deadlineMs - performance.now();
    if (leftMs <= 0) break;
    // The node behind a port is the same, at whichever address of the machine.
    if (silent.some(({ port }) => port === address.port)) continue;
    const found = await ask(address, Math.min(leftMs, PORT_TIMEOUT_MS));
    if (found === "answering") return address;
    if (found === "silent") silent.push(address);
  }
  if (silent.length > 0) {
    throw new UnhealthyError(
      `The proxy takes connections at ${formatHostPort(silent[0]!)}, but no node answers through ` +
        "it; is the cluster up?",
    );
  }
  throw new UnhealthyError(
    `Nothing listens at ${formatHostPort(addresses[0]!)} or another port of the proxy; ` +
      "is it running, with the same LISTEN_ADDR, MAX_NODES and PORT_MAP?",
  );
}

/** What is found at an address: nobody, somebody who does not speak RESP in time, or the proxy. */
type Finding = "closed" | "silent" | "answering";

async function ask(address: HostPort, timeoutMs: number): Promise<Finding> {
  const endMs = performance.now() + timeoutMs;
  let connection: Connection | undefined;
  try {
    connection = await dial(address, timeoutMs, new AbortController());
    // Its first byte tells.
    const answer = new Uint8Array(1);
    await writeAll(connection, encodeRequest(["PING"]));
    const read = await atMost(endMs - performance.now(), connection.read(answer));
    return typeof read === "number" && beginsValue(answer[0]!) ? "answering" : "silent";
  } catch {
    // A connection that breaks off was there.
    return connection === undefined ? "closed" : "silent";
  } finally {
    if (connection !== undefined) close(connection);
  }
}
