import { close, type Connection, isExhausted, writeAll } from "../platform/net.ts";
import { encodeRequest } from "../resp/frame.ts";
import { beginsValue } from "../resp/framing.ts";
import { withTimeout } from "../platform/timeout.ts";
import { isTlsRecord } from "../tls/side.ts";
import { TlsError } from "../tls/tls_error.ts";

/**
 * The peer refuses the connection (`closed`), sends no RESP in time (`silent`), or answers; or no
 * file descriptor is left to try (`untried`).
 */
export type PingResult = "closed" | "silent" | "answering" | "untried";

/** Dials a peer. */
export type Connect = (timeoutMs: number, attempt: AbortController) => Promise<Connection>;

/**
 * Connects, sends a PING and waits for the first byte of the reply; an error such as `-NOAUTH`
 * counts as an answer. Closes the connection.
 *
 * @param connect dials the peer
 * @param timeoutMs limits the connection and the reply together
 * @param signal ends the attempt when aborted; the result is then `silent` or `closed`
 */
export async function ping(
  connect: Connect,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<PingResult> {
  const question = { bytes: encodeRequest(["PING"]), isAnswer: beginsValue };
  return await probe(question, connect, timeoutMs, signal);
}

/** Like `ping`, for a peer that speaks TLS: it must answer with a record of TLS. */
export async function pingTls(
  connect: Connect,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<PingResult> {
  const question = { bytes: EMPTY_HELLO, isAnswer: isTlsRecord };
  return await probe(question, connect, timeoutMs, signal);
}

/** A ClientHello without contents, which a server refuses with an alert. */
const EMPTY_HELLO = new Uint8Array([22, 3, 1, 0, 4, 1, 0, 0, 0]);

async function probe(
  { bytes, isAnswer }: { bytes: Uint8Array; isAnswer: (firstByte: number) => boolean },
  connect: Connect,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<PingResult> {
  const endMs = performance.now() + timeoutMs;
  const attempt = new AbortController();
  let connection: Connection | undefined;
  const abort = () => connection === undefined ? attempt.abort() : close(connection);
  signal.addEventListener("abort", abort);
  try {
    connection = await connect(Math.max(1, timeoutMs), attempt);
    if (signal.aborted) return "silent";
    await writeAll(connection, bytes);
    // The first byte is enough.
    const answer = new Uint8Array(1);
    const read = await withTimeout(connection.read(answer), endMs - performance.now());
    return typeof read === "number" && isAnswer(answer[0]!) ? "answering" : "silent";
  } catch (error) {
    if (isExhausted(error)) return "untried";
    // The connection was accepted before it broke.
    const isAccepted = connection !== undefined || error instanceof TlsError;
    return isAccepted ? "silent" : "closed";
  } finally {
    signal.removeEventListener("abort", abort);
    if (connection !== undefined) close(connection);
  }
}
