import { bulk, fieldOf, itemsOf, textOf, type Value } from "../../resp/frame.ts";
import { type PublicAddresses, publicEndpoint } from "../public_addresses.ts";

/**
 * Rewrites CLUSTER SHARDS (cluster.c `clusterCommandShards`): for each shard a map with its
 * `nodes`, each a map again. A node without an address, known by its id only, keeps its empty `ip`.
 * With a public IP address a node gets a `hostname`, as if it announced one.
 */
export function rewriteShards(frame: Value, addresses: PublicAddresses): Value {
  for (const shard of itemsOf(frame) ?? []) {
    for (const node of itemsOf(fieldOf(shard, "nodes")) ?? []) rewriteNode(node, addresses);
  }
  return frame;
}

function rewriteNode(node: Value, addresses: PublicAddresses): void {
  const port = Number(textOf(fieldOf(node, "port")) ?? textOf(fieldOf(node, "tls-port")) ?? 0);
  const id = textOf(fieldOf(node, "id"));
  const host = textOf(fieldOf(node, "ip")) ?? "";
  const known = addresses.portOf({ ...(id === undefined ? {} : { id }), host, port });
  const items = itemsOf(node) ?? [];
  const isShown = (value: Value) => port !== 0 || textOf(value) !== "";
  let endpointEnd = 0;
  let hasHostname = false;
  for (let at = 0; at + 1 < items.length; at += 2) {
    const value = items[at + 1]!;
    switch (textOf(items[at])) {
      case "ip":
        if (isShown(value)) items[at + 1] = bulk(addresses.ip);
        break;
      case "endpoint":
        if (!isShown(value)) break;
        // A node that does not know its own IP address prefers it nevertheless.
        items[at + 1] = bulk(
          host === "" && textOf(value) === ""
            ? addresses.ip
            : publicEndpoint(addresses, textOf(value) ?? ""),
        );
        endpointEnd = at + 2;
        break;
      case "hostname":
        if (isShown(value)) items[at + 1] = bulk(addresses.host);
        hasHostname = true;
        break;
      case "port":
      case "tls-port":
        if (!("items" in value)) value.text = String(known ?? 0);
    }
  }
  if (addresses.addsHostnames && !hasHostname && endpointEnd > 0) {
    items.splice(endpointEnd, 0, bulk("hostname"), bulk(addresses.host));
  }
}
