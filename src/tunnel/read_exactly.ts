import type { ByteSource } from "../platform/net.ts";
import { TunnelError } from "./tunnel_error.ts";

/**
 * Reads `count` bytes, and not one more.
 *
 * @throws {TunnelError} if the stream ends before
 */
export async function readExactly(source: ByteSource, count: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(count);
  for (let at = 0; at < count;) {
    const read = await source.read(bytes.subarray(at));
    // ssh -D reports a failure in no other way.
    if (read === null) {
      throw new TunnelError(
        "the tunnel closed the connection without a reason; see its log",
      );
    }
    at += read;
  }
  return bytes;
}
