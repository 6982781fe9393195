import { close, type Connection, isExhausted, writeAll } from "../platform/net.ts";
import { encodeRequest } from "../resp/frame.ts";
import { beginsValue } from "../resp/framing.ts";
import { withTimeout } from "../platform/timeout.ts";

/**
 * The peer takes no connection, sends no RESP in time, or answers; or this process has no file
 * descriptor left to try.
 */
export type PingResult = "closed" | "silent" | "answering" | "untried";

/**
 * Connects, sends a PING and waits for the first byte of an answer; an error such as `-NOAUTH` is
 * an answer, too.
 *
 * @param connect dials the peer
 * @param over when aborted, ends the attempt as one without an answer
 */
export async function ping(
  connect: (timeoutMs: number, attempt: AbortController) => Promise<Connection>,
  timeoutMs: number,
  over: AbortSignal,
): Promise<PingResult> {
  const endMs = performance.now() + timeoutMs;
  const attempt = new AbortController();
  let connection: Connection | undefined;
  const giveUp = () => connection === undefined ? attempt.abort() : close(connection);
  over.addEventListener("abort", giveUp);
  try {
    connection = await connect(Math.max(1, timeoutMs), attempt);
    if (over.aborted) return "silent";
    await writeAll(connection, encodeRequest(["PING"]));
    // The first byte is enough.
    const answer = new Uint8Array(1);
    const read = await withTimeout(connection.read(answer), endMs - performance.now());
    return typeof read === "number" && beginsValue(answer[0]!) ? "answering" : "silent";
  } catch (error) {
    if (isExhausted(error)) return "untried";
    // A connection that breaks off was there.
    return connection === undefined ? "closed" : "silent";
  } finally {
    over.removeEventListener("abort", giveUp);
    if (connection !== undefined) close(connection);
  }
}
