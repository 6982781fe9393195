import type { NodeRef } from "../../cluster/node_ref.ts";
import { formatAddressField, parseAddressField } from "../../cluster/node.ts";
import { itemsOf, mapText, type Value } from "../../resp/frame.ts";
import type { PublicAddresses } from "../public_addresses.ts";

/** Rewrites CLUSTER NODES: one text with a line for each node, ended by LF alone. */
export function rewriteNodes(frame: Value, addresses: PublicAddresses): Value {
  return mapText(frame, (text) => {
    const lines = text.split("\n");
    // A load balancer may send the same text, with one `myself`, for every node (ElastiCache
    // Serverless). So the node's own line is the one with its id, if there is one.
    const hasOwnId = addresses.ownId !== "" &&
      lines.some((line) => line.startsWith(addresses.ownId));
    return lines.map((line) => rewriteLine(line, addresses, !hasOwnId)).join("\n");
  });
}

/** Rewrites CLUSTER REPLICAS and CLUSTER SLAVES: an array of the same lines. */
export function rewriteReplicas(frame: Value, addresses: PublicAddresses): Value {
  for (const item of itemsOf(frame) ?? []) {
    mapText(item, (line) => rewriteLine(line, addresses, true));
  }
  return frame;
}

/**
 * Rewrites host, port and hostname. The bus port stays, because tools parse it (redis_exporter
 * matches `@<digits>`) and no client connects to it. A port of 0, of a node without an address or
 * without a plain-text port, stays unless the node is known; an empty host stays empty with it. With
 * a public IP address a line gets a hostname, as if the node announced one; a node in handshake has
 * not yet sent its own.
 *
 * @param trustsMyself whether the line with `myself` is that of the node that sent the frame
 */
function rewriteLine(line: string, addresses: PublicAddresses, trustsMyself: boolean): string {
  const fields = line.split(" ");
  const address = fields[1] === undefined ? undefined : parseAddressField(fields[1]);
  if (address === undefined) return line;
  const ref = refOf(fields, address.host, address.port);
  // The id of the node may have changed since the session began.
  const own = trustsMyself && flagsOf(fields).includes("myself");
  const port = addresses.portOf(own ? { ...ref, own } : ref);
  if (address.host !== "" || address.port !== 0) {
    address.host = addresses.ip;
    address.port = port ?? 0;
    if (addresses.addsHostnames && ref.id !== undefined) address.hostname = addresses.host;
  }
  if (address.hostname) address.hostname = addresses.host;
  fields[1] = formatAddressField(address);
  return fields.join(" ");
}

function refOf(fields: string[], host: string, port: number): NodeRef {
  // In handshake a node is only an address passed to CLUSTER MEET, with a made-up id, until it
  // sends its own.
  if (flagsOf(fields).includes("handshake")) return { host, port, doubtful: true };
  return { id: fields[0]!, host, port };
}

function flagsOf(fields: string[]): string[] {
  return fields[2]?.split(",") ?? [];
}
