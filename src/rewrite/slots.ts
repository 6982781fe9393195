import { bulk, itemsOf, textOf, type Value } from "../resp/frame.ts";
import type { Naming } from "./naming.ts";

/**
 * Rewrites CLUSTER SLOTS (cluster.c `clusterCommandSlots`): for each range its first and last
 * slot and its nodes, each `[endpoint, port, id]` and since 7.0 a map of metadata. The endpoint
 * may be a name, `?`, or null by `cluster-preferred-endpoint-type`; clients key nodes by its
 * text, so it becomes the public host in every case.
 */
export function rewriteSlots(frame: Value, naming: Naming): Value {
  for (const range of itemsOf(frame) ?? []) {
    for (const node of itemsOf(range)?.slice(2) ?? []) rewriteNode(itemsOf(node), naming);
  }
  return frame;
}

function rewriteNode(node: Value[] | undefined, naming: Naming): void {
  const [endpoint, port, id, metadata] = node ?? [];
  if (endpoint === undefined || port?.type !== ":") return;
  const known = naming.portOf({
    ...(id === undefined ? {} : { id: textOf(id) ?? "" }),
    host: textOf(endpoint) ?? "",
    port: Number(port.text),
  });
  node![0] = bulk(naming.host);
  port.text = String(known ?? 0);
  const fields = itemsOf(metadata) ?? [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const name = textOf(fields[at]);
    if (name === "ip" || name === "hostname") fields[at + 1] = bulk(naming.host);
  }
}
