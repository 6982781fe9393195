import { formatHostPort, splitAddress } from "../../platform/address.ts";
import { itemsOf, textOf, type Value } from "../../resp/frame.ts";
import { type PublicAddresses, publicEndpoint } from "../public_addresses.ts";

/** Whether pushes of this kind carry addresses. */
export function isAddressPush(kind: string): boolean {
  return kind === "MOVING" || kind === "SMIGRATED";
}

/**
 * Rewrites the maintenance notifications of Redis Software that name a node:
 * `MOVING seq seconds host:port|null`, and `SMIGRATED seq` with triplets of source, target and
 * slots (in drafts that clients still accept: pairs, or flat). Every text in the form of an address
 * is an address: slots are numbers, commas and dashes.
 */
export function rewritePush(frame: Value, addresses: PublicAddresses): Value {
  const [kind, ...items] = itemsOf(frame) ?? [];
  const redirects = textOf(kind) === "MOVING";
  for (const item of items) rewriteAddresses(item, redirects, addresses);
  return frame;
}

function rewriteAddresses(value: Value, redirects: boolean, addresses: PublicAddresses): void {
  if ("items" in value) {
    for (const item of value.items ?? []) rewriteAddresses(item, redirects, addresses);
    return;
  }
  const address = splitAddress(textOf(value) ?? "");
  if (address === undefined) return;
  value.text = formatHostPort({
    host: publicEndpoint(addresses, address.host),
    port: addresses.portOf({ ...address, redirects }) ?? 0,
  });
}
