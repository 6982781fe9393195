import type { NodeRef } from "../../cluster/node_ref.ts";
import { itemsOf, textOf, type Value } from "../../resp/frame.ts";
import type { AddressMap } from "../address_map.ts";

/** Any client can make a node list it as a replica, at whatever address (REPLCONF, PSYNC). */
export const A_REPLICA = { relation: "replica", doubtful: true } as const;

/**
 * Rewrites ROLE (replication.c `roleCommand`). A primary lists its replicas as
 * `[ip, port, offset]`, all bulks; a replica names its primary, with the port as an integer.
 */
export function rewriteRole(frame: Value, addresses: AddressMap): Value {
  const [role, second, third] = itemsOf(frame) ?? [];
  if (textOf(role) === "slave") rewriteAddress(second, third, { relation: "primary" }, addresses);
  else if (textOf(role) === "master") {
    for (const replica of itemsOf(third) ?? []) {
      const [host, port] = itemsOf(replica) ?? [];
      rewriteAddress(host, port, A_REPLICA, addresses);
    }
  }
  return frame;
}

function rewriteAddress(
  host: Value | undefined,
  port: Value | undefined,
  relation: Pick<NodeRef, "relation" | "doubtful">,
  addresses: AddressMap,
): void {
  const mention = { ...relation, host: textOf(host) ?? "", port: Number(textOf(port)) };
  if (mention.host === "" || host === undefined || "items" in host) return;
  if (port === undefined || "items" in port) return;
  port.text = String(addresses.portOf(mention) ?? 0);
  host.text = addresses.host;
}
