import type { NodeRef } from "../../cluster/node_ref.ts";
import { itemsOf, textOf, type Value } from "../../resp/frame.ts";
import type { PublicAddresses } from "../public_addresses.ts";

/** A replica in a reply. Any client can become one, at any address (REPLCONF, PSYNC). */
export const REPLICA_REF = { relation: "replica", doubtful: true } as const;

/**
 * Rewrites ROLE (replication.c `roleCommand`). A primary lists its replicas as
 * `[ip, port, offset]`, all bulks; a replica names its primary, with the port as an integer.
 */
export function rewriteRole(frame: Value, addresses: PublicAddresses): Value {
  const [role, second, third] = itemsOf(frame) ?? [];
  if (textOf(role) === "slave") rewriteAddress(second, third, { relation: "primary" }, addresses);
  else if (textOf(role) === "master") {
    for (const replica of itemsOf(third) ?? []) {
      const [host, port] = itemsOf(replica) ?? [];
      rewriteAddress(host, port, REPLICA_REF, addresses);
    }
  }
  return frame;
}

function rewriteAddress(
  host: Value | undefined,
  port: Value | undefined,
  relation: Pick<NodeRef, "relation" | "doubtful">,
  addresses: PublicAddresses,
): void {
  const ref = { ...relation, host: textOf(host) ?? "", port: Number(textOf(port)) };
  if (ref.host === "" || host === undefined || "items" in host) return;
  if (port === undefined || "items" in port) return;
  port.text = String(addresses.portOf(ref) ?? 0);
  host.text = addresses.ip;
}
