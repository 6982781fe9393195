import { bulk, fieldOf, itemsOf, textOf, type Value } from "../../resp/frame.ts";
import type { PublicAddresses } from "../public_addresses.ts";

/**
 * Rewrites CLUSTER SHARDS (cluster.c `clusterCommandShards`): for each shard a map with its
 * `nodes`, each a map again. A node without an address, known by its id only, keeps its empty `ip`.
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
  for (let at = 0; at + 1 < items.length; at += 2) {
    const value = items[at + 1]!;
    switch (textOf(items[at])) {
      case "ip":
      case "endpoint":
      case "hostname":
        if (port !== 0 || textOf(value) !== "") items[at + 1] = bulk(addresses.host);
        break;
      case "port":
      case "tls-port":
        if (!("items" in value)) value.text = String(known ?? 0);
    }
  }
}
