import type { NodeRef } from "../../cluster/node_ref.ts";
import { formatNodeAddress, parseNodeAddress } from "../../cluster/node.ts";
import { itemsOf, type Value } from "../../resp/frame.ts";
import type { AddressMap } from "../address_map.ts";
import { rewriteText } from "../text.ts";

/** Rewrites CLUSTER NODES: one text, a line a node, each ended by LF alone. */
export function rewriteNodes(frame: Value, addresses: AddressMap): Value {
  return rewriteText(frame, (text) => {
    const lines = text.split("\n");
    // A front may give one text, with one `myself`, for each node behind it (ElastiCache Serverless).
    const isAnother = addresses.ownId !== "" &&
      lines.some((line) => line.startsWith(addresses.ownId));
    return lines.map((line) => rewriteLine(line, addresses, !isAnother)).join("\n");
  });
}

/** Rewrites CLUSTER REPLICAS and CLUSTER SLAVES: an array of the same lines. */
export function rewriteReplicas(frame: Value, addresses: AddressMap): Value {
  for (const item of itemsOf(frame) ?? []) {
    rewriteText(item, (line) => rewriteLine(line, addresses, true));
  }
  return frame;
}

/**
 * Host, port and hostname change; the bus port stays, because tools read it (redis_exporter
 * looks for `@<digits>`) and no client connects to it. A port of 0, of a node without an address
 * or without one for plain text, stays unless the node is known; a host that is empty with it
 * stays empty.
 *
 * @param trusted whether `myself` stands for the node that was asked where the id is not known
 */
function rewriteLine(line: string, addresses: AddressMap, trusted: boolean): string {
  const fields = line.split(" ");
  const address = fields[1] === undefined ? undefined : parseNodeAddress(fields[1]);
  if (address === undefined) return line;
  const ref = mentionOf(fields, address.host, address.port);
  // The node's own line is known for what it is, even if it has got a new id meanwhile.
  const own = trusted && flagsOf(fields).includes("myself");
  const port = addresses.portOf(own ? { ...ref, own } : ref);
  if (address.host !== "" || address.port !== 0) {
    address.host = addresses.host;
    address.port = port ?? 0;
  }
  if (address.hostname) address.hostname = addresses.host;
  fields[1] = formatNodeAddress(address);
  return fields.join(" ");
}

function mentionOf(fields: string[], host: string, port: number): NodeRef {
  // In handshake a node is only an address that somebody gave to CLUSTER MEET, under a made-up
  // id, until it has told its own.
  if (flagsOf(fields).includes("handshake")) return { host, port, doubtful: true };
  return { id: fields[0]!, host, port };
}

function flagsOf(fields: string[]): string[] {
  return fields[2]?.split(",") ?? [];
}
