import { fieldOf, itemsOf, textOf, type Value } from "../../src/resp/frame.ts";
import { WireClient } from "./wire.ts";

/** A node as one entry of a reply names it. */
export interface NamedNode {
  readonly id: string;
  readonly port: number;
  /** Every host, IP address and host name of the entry. */
  readonly hosts: readonly string[];
}

/** The nodes in a reply to CLUSTER SLOTS. */
export function namedInSlots(reply: Value): NamedNode[] {
  return itemsOf(reply)!.flatMap((range) =>
    itemsOf(range)!.slice(2).map((node) => {
      const [endpoint, port, id, metadata] = itemsOf(node)!;
      const hosts = [textOf(endpoint) ?? "NULL"];
      for (const name of ["ip", "hostname"]) {
        const host = textOf(fieldOf(metadata!, name));
        if (host !== undefined) hosts.push(host);
      }
      return { id: textOf(id)!, port: Number(textOf(port)), hosts };
    })
  );
}

/** The nodes in a reply to CLUSTER SHARDS. */
export function namedInShards(reply: Value): NamedNode[] {
  return itemsOf(reply)!.flatMap((shard) =>
    itemsOf(fieldOf(shard, "nodes"))!.map((node) => ({
      id: textOf(fieldOf(node, "id"))!,
      // Nodes with TLS only have no other.
      port: Number(textOf(fieldOf(node, "port") ?? fieldOf(node, "tls-port")!)),
      hosts: ["ip", "endpoint", "hostname"]
        .map((name) => textOf(fieldOf(node, name)))
        .filter((host) => host !== undefined),
    }))
  );
}

/** The nodes in a reply to CLUSTER NODES or CLUSTER REPLICAS. */
export function namedInLines(reply: Value): NamedNode[] {
  const texts = itemsOf(reply)?.map(textOf) ?? [textOf(reply)];
  return texts.flatMap((text) =>
    text!.split("\n").filter((line) => line !== "").map((line) => {
      const [, id, host, port, hostname] = LINE.exec(line) ??
        fail(`Not a line of CLUSTER NODES: ${line}`);
      return {
        id: id!,
        port: Number(port),
        hosts: hostname === undefined ? [host!] : [host!, hostname],
      };
    })
  );
}

/** The subcommands of CLUSTER that list all nodes, and how to read their replies. */
export const CLUSTER_LISTINGS = [
  { subcommand: "SLOTS", named: namedInSlots },
  { subcommand: "SHARDS", named: namedInShards },
  { subcommand: "NODES", named: namedInLines },
] as const;

/** The id of the node that answers at an address. */
export async function idAt(host: string, port: number): Promise<string> {
  using client = await WireClient.connect(host, port);
  return textOf(await client.ask("CLUSTER", "MYID"))!;
}

const LINE = /^(\S{40}) (\S*):(\d+)@\d+(?:,(\S*))? /;

function fail(message: string): never {
  throw new Error(message);
}
