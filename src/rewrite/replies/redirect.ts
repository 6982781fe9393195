import type { NodeRef } from "../../cluster/node_ref.ts";
import { splitAddress } from "../../platform/address.ts";
import type { Value } from "../../resp/frame.ts";
import { type PublicAddresses, publicEndpoint } from "../public_addresses.ts";

/** Whether the text of an error begins like a redirect. */
export function isRedirect(text: string): boolean {
  return text.startsWith("MOVED ") || text.startsWith("ASK ") || text.startsWith("REDIRECT ");
}

/** How MIGRATE forwards the error of the other node, such as MOVED (cluster.c `migrateCommand`). */
export const MIGRATE_ERROR = "ERR Target instance replied with error: ";

/**
 * Rewrites `MOVED <slot> <host>:<port>`, `ASK <slot> <host>:<port>` and `REDIRECT <host>:<port>`
 * (cluster.c `clusterRedirectClient`, Valkey's server.c `processCommand`). Clients parse these by
 * position, so any other form is not a redirect.
 */
export function rewriteRedirect(frame: Value, addresses: PublicAddresses): Value {
  return withRedirect(frame, addresses, "", false);
}

/** Rewrites a redirect in the reply to a script, whose own error may look the same. */
export function rewriteScriptRedirect(frame: Value, addresses: PublicAddresses): Value {
  return withRedirect(frame, addresses, "", true);
}

/** Rewrites a redirect inside the error of MIGRATE. */
export function rewriteMigrateError(frame: Value, addresses: PublicAddresses): Value {
  // The target may be any program that a client names, and send any text.
  return withRedirect(frame, addresses, MIGRATE_ERROR, true);
}

function withRedirect(
  frame: Value,
  addresses: PublicAddresses,
  before: string,
  doubtful: boolean,
): Value {
  if ("items" in frame || !frame.text?.startsWith(before)) return frame;
  const parts = frame.text.slice(before.length).split(" ");
  const ref = redirectRef(parts, doubtful);
  const port = ref && addresses.portOf(ref);
  if (port !== undefined) {
    parts[parts.length - 1] = `${publicEndpoint(addresses, ref!.host)}:${port}`;
    frame.text = before + parts.join(" ");
  }
  return frame;
}

function redirectRef(parts: string[], doubtful: boolean): NodeRef | undefined {
  const [kind, slot, ...more] = parts;
  if (kind === "REDIRECT") {
    const address = more.length > 0 || slot === undefined ? undefined : splitAddress(slot);
    return address && { ...address, redirects: true, doubtful };
  }
  if ((kind !== "MOVED" && kind !== "ASK") || more.length !== 1) return undefined;
  const address = splitAddress(more[0]!);
  if (address === undefined || !/^\d+$/.test(slot!)) return undefined;
  return { ...address, slot: Number(slot), asking: kind === "ASK", redirects: true, doubtful };
}
