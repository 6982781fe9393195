import { bulk, itemsOf, textOf, type Value } from "../../resp/frame.ts";
import type { PublicAddresses } from "../public_addresses.ts";

/**
 * Rewrites CLUSTER SLOTS (cluster.c `clusterCommandSlots`): for each range its first and last slot
 * and its nodes, each `[endpoint, port, id]` and since 7.0 a map of metadata. Depending on
 * `cluster-preferred-endpoint-type` the endpoint may be a name, `?`, or null; clients identify
 * nodes by its text, so it becomes the public host. A node without a public port keeps an empty or
 * `?` endpoint.
 */
export function rewriteSlots(frame: Value, addresses: PublicAddresses): Value {
  for (const range of itemsOf(frame) ?? []) {
    for (const node of itemsOf(range)?.slice(2) ?? []) rewriteNode(itemsOf(node), addresses);
  }
  return frame;
}

function rewriteNode(node: Value[] | undefined, addresses: PublicAddresses): void {
  const [endpoint, port, id, metadata] = node ?? [];
  if (endpoint === undefined || port?.type !== ":") return;
  const host = textOf(endpoint) ?? "";
  const known = addresses.portOf({
    ...(id === undefined ? {} : { id: textOf(id) ?? "" }),
    host,
    port: Number(port.text),
  }) ?? 0;
  const isShown = (host: string) => known > 0 || (host !== "" && host !== "?");
  if (isShown(host)) node![0] = bulk(addresses.host);
  port.text = String(known);
  const fields = itemsOf(metadata) ?? [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const name = textOf(fields[at]);
    if (name !== "ip" && name !== "hostname") continue;
    if (isShown(textOf(fields[at + 1]) ?? "")) fields[at + 1] = bulk(addresses.host);
  }
}
