import type { NodeRef } from "../../cluster/node_ref.ts";
import { splitAddress } from "../../platform/address.ts";
import type { Value } from "../../resp/frame.ts";
import type { AddressMap } from "../address_map.ts";

/** Whether the text of an error begins like one that carries an address. */
export function isRedirect(text: string): boolean {
  return text.startsWith("MOVED ") || text.startsWith("ASK ") || text.startsWith("REDIRECT ");
}

/** How MIGRATE passes on the other node's error, maybe a MOVED (cluster.c `migrateCommand`). */
export const MIGRATE_ERROR = "ERR Target instance replied with error: ";

/**
 * Rewrites `MOVED <slot> <host>:<port>`, `ASK <slot> <host>:<port>` and `REDIRECT <host>:<port>`
 * (cluster.c `clusterRedirectClient`, Valkey's server.c `processCommand`). Clients take these
 * apart by position, so anything that is not exactly of this form is not a redirect.
 */
export function rewriteRedirect(frame: Value, addresses: AddressMap): Value {
  return withRedirect(frame, addresses, "", false);
}

/** The same in the answer to a script, whose own error may look like one. */
export function rewriteScriptRedirect(frame: Value, addresses: AddressMap): Value {
  return withRedirect(frame, addresses, "", true);
}

/** The same inside the error of MIGRATE. */
export function rewriteMigrateError(frame: Value, addresses: AddressMap): Value {
  // The target may be any program that a client names, and say what it likes.
  return withRedirect(frame, addresses, MIGRATE_ERROR, true);
}

function withRedirect(
  frame: Value,
  addresses: AddressMap,
  before: string,
  doubtful: boolean,
): Value {
  if ("items" in frame || !frame.text?.startsWith(before)) return frame;
  const words = frame.text.slice(before.length).split(" ");
  const ref = redirectMention(words, doubtful);
  const port = ref && addresses.portOf(ref);
  if (port !== undefined) {
    words[words.length - 1] = `${addresses.host}:${port}`;
    frame.text = before + words.join(" ");
  }
  return frame;
}

function redirectMention(words: string[], doubtful: boolean): NodeRef | undefined {
  const [kind, slot, ...more] = words;
  if (kind === "REDIRECT") {
    const address = more.length > 0 || slot === undefined ? undefined : splitAddress(slot);
    return address && { ...address, redirects: true, doubtful };
  }
  if ((kind !== "MOVED" && kind !== "ASK") || more.length !== 1) return undefined;
  const address = splitAddress(more[0]!);
  if (address === undefined || !/^\d+$/.test(slot!)) return undefined;
  return { ...address, slot: Number(slot), asking: kind === "ASK", redirects: true, doubtful };
}
