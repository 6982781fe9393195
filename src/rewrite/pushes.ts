import { splitAddress } from "../address.ts";
import { itemsOf, textOf, type Value } from "../resp/frame.ts";
import { type Naming, publicAddress } from "./naming.ts";

/** Whether pushes of this kind carry addresses. */
export function isAddressPush(kind: string): boolean {
  return kind === "MOVING" || kind === "SMIGRATED";
}

/**
 * Rewrites the maintenance notifications of Redis Software that name a node:
 * `MOVING seq seconds host:port|null`, and `SMIGRATED seq` with triplets of source, target and
 * slots (in drafts that clients still read: pairs, or the two flat). Whatever has the form of an
 * address is one: slots are numbers, commas and dashes.
 */
export function rewritePush(frame: Value, naming: Naming): Value {
  for (const item of itemsOf(frame)?.slice(1) ?? []) rewriteAddresses(item, naming);
  return frame;
}

function rewriteAddresses(value: Value, naming: Naming): void {
  if ("items" in value) {
    for (const item of value.items ?? []) rewriteAddresses(item, naming);
    return;
  }
  const mention = splitAddress(textOf(value) ?? "");
  if (mention === undefined) return;
  value.text = publicAddress(naming, naming.portOf(mention) ?? 0);
}
