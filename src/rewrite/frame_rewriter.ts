// rewrite/ replaces addresses: private ones by public ones in captured frames, public ones by
// private ones in requests. It owns no state and opens no connection. It may import commands/,
// cluster/, resp/ and platform/. It declares what it needs of the NAT table and of the clients
// itself, in address_map.ts. For replies start here: this module decodes a frame, passes it to the
// rewriter of its kind in replies/, and encodes it. For requests start in request_rewriter.ts.

import { decodeFrame, encodeFrame } from "../resp/frame.ts";
import type { AddressMap } from "./address_map.ts";
import { FrameAddresses } from "./frame_addresses.ts";
import type { Rewriter } from "./public_addresses.ts";

/**
 * Rewrites a captured frame of a node. Nodes and clients that are not known yet are resolved first.
 *
 * @param sinceMs when the frame arrived, in milliseconds of the monotonic clock
 * @throws what `AddressMap.resolvePort` throws
 */
export async function rewriteFrame(
  frame: Uint8Array,
  rewrite: Rewriter,
  addressMap: AddressMap,
  sinceMs: number,
): Promise<Uint8Array> {
  const addresses = new FrameAddresses(addressMap);
  const rewritten = rewriteKnown(frame, rewrite, addresses);
  if (rewritten !== undefined) return rewritten;
  await addresses.resolve(sinceMs);
  return encodeFrame(rewrite(decodeFrame(frame), addresses));
}

/**
 * Rewrites a frame; undefined if it refers to unknown nodes or clients. A decoded frame takes many
 * times the memory of its bytes. It is released before the first await, so a thread holds only one
 * at a time.
 */
function rewriteKnown(
  frame: Uint8Array,
  rewrite: Rewriter,
  addresses: FrameAddresses,
): Uint8Array | undefined {
  const value = rewrite(decodeFrame(frame), addresses);
  return addresses.isComplete ? encodeFrame(value) : undefined;
}
