import { bulk, fieldOf, itemsOf, textOf, type Value } from "../../resp/frame.ts";
import { type PublicAddresses, publicEndpoint } from "../public_addresses.ts";

/**
 * Rewrites CLUSTER SLOTS (cluster.c `clusterCommandSlots`): for each range its first and last slot
 * and its nodes, each `[endpoint, port, id]` and since 7.0 a map of metadata. Depending on
 * `cluster-preferred-endpoint-type` the endpoint may be a name, `?`, or null; clients identify
 * nodes by its text, so it becomes the public host, or the public IP address in the place of one.
 *
 * A node without a public port is shown as servers show one without an address: with an empty
 * endpoint, unless that is null or `?`. ioredis reads port 0 as 6379, and would send commands to
 * whatever listens there at the public host; it ignores a node with an empty endpoint.
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
  if (known > 0) {
    // A node that does not know its own IP address prefers it nevertheless.
    const isEmptyIp = host === "" && !isNull(endpoint);
    node![0] = bulk(isEmptyIp ? addresses.ip : publicEndpoint(addresses, host));
    if (addresses.addsHostnames) addHostname(metadata, addresses.host, isNull(endpoint));
  } else if (host !== "?" && !isNull(endpoint)) {
    node![0] = bulk("");
  }
  port.text = String(known);
  const fields = itemsOf(metadata) ?? [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const name = textOf(fields[at]);
    if (name !== "ip" && name !== "hostname") continue;
    if (known === 0 && ["", "?"].includes(textOf(fields[at + 1]) ?? "")) continue;
    fields[at + 1] = bulk(name === "ip" ? addresses.ip : addresses.host);
  }
}

/** Whether an endpoint is a null: of RESP2, or of RESP3. */
function isNull(endpoint: Value): boolean {
  return endpoint.type === "_" || ("text" in endpoint && endpoint.text === null);
}

/**
 * Adds the host name to the metadata of a node, as if the node announced one (cluster.c
 * `addNodeToNodeReply`): after the `ip` of an unknown endpoint, but not if the endpoint is a name.
 */
function addHostname(metadata: Value | undefined, host: string, isUnknown: boolean): void {
  const fields = itemsOf(metadata);
  if (fields === undefined || fieldOf(metadata, "hostname") !== undefined) return;
  const hasIp = textOf(fields[0]) === "ip";
  if (hasIp && !isUnknown) return;
  fields.splice(hasIp ? 2 : 0, 0, bulk("hostname"), bulk(host));
}
