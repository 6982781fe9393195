import { fieldOf, itemsOf, textOf, type Value } from "../../resp/frame.ts";
import { publicPeer, rewriteClients } from "./client_list.ts";
import type { AddressMap } from "../address_map.ts";
import { rewriteText } from "../text.ts";
import { portAt, publicWord } from "../words.ts";

/**
 * Rewrites SLOWLOG GET and COMMANDLOG GET (slowlog.c `slowlogCommand`): for each request an array
 * `[id, time, microseconds, words, client's address, client's name]`. A request that names a node
 * stands there as the node got it, with the private address in the place of the public one.
 */
export function rewriteSlowlog(frame: Value, addresses: AddressMap): Value {
  for (const entry of itemsOf(frame) ?? []) {
    const [, , , words, peer] = itemsOf(entry) ?? [];
    rewriteRequest(itemsOf(words) ?? [], addresses);
    if (peer !== undefined) rewriteText(peer, (address) => publicPeer(address, addresses));
  }
  return frame;
}

/** Rewrites ACL LOG (acl.c `aclCommand`): each entry has a line of CLIENT LIST in a field. */
export function rewriteAclLog(frame: Value, addresses: AddressMap): Value {
  for (const entry of itemsOf(frame) ?? []) {
    const client = fieldOf(entry, "client-info");
    if (client !== undefined) rewriteClients(client, addresses);
  }
  return frame;
}

/** Rewrites, of the words of a request, those that `translateRequest` translates. */
export function rewriteRequest(request: Value[], addresses: AddressMap): void {
  const names = request.map((word) => textOf(word)?.toLowerCase());
  switch (names[0]) {
    case "cluster":
      if (names[1] === "meet") rewriteAddressAt(2, request, addresses);
      break;
    case "migrate":
    case "replicaof":
    case "slaveof":
      rewriteAddressAt(1, request, addresses);
      break;
    case "failover":
      // Without TO the name itself would be the host, and no number stands behind that.
      rewriteAddressAt(names.indexOf("to") + 1, request, addresses);
      break;
    case "client":
      for (const word of request) rewriteText(word, (text) => publicWord(text, addresses));
  }
}

/** A host and a port in two words, the first of which is at `index`. */
function rewriteAddressAt(index: number, request: Value[], addresses: AddressMap): void {
  const [host, port] = request.slice(index, index + 2);
  if (host === undefined || port === undefined) return;
  const known = portAt({ host: textOf(host) ?? "", port: Number(textOf(port)) }, addresses);
  if (known === undefined) return;
  rewriteText(host, () => addresses.host);
  rewriteText(port, () => String(known));
}
