import { bulk, textOf, type Value } from "../../resp/frame.ts";
import { publicPeer } from "./client_list.ts";
import type { AddressMap } from "../address_map.ts";
import { rewriteRequest } from "./slowlog.ts";

/** What the beginning of a line of MONITOR tells. */
export interface MonitorHead {
  /** Where in the line the address of the client stands; undefined if the client has none. */
  readonly peer: { readonly from: number; readonly to: number } | undefined;
  /** Whether the request is of a kind that `translateRequest` translates. */
  readonly namesNode: boolean;
}

/**
 * Reads the beginning of a line of MONITOR (replication.c `replicationFeedMonitors`), such as
 * `1700000000.123456 [0 10.0.0.9:4711] "get" "key"`; undefined if it is none.
 */
export function readMonitorHead(text: string): MonitorHead | undefined {
  const [opening, before, client] = OPENING.exec(text) ?? [];
  if (opening === undefined) return undefined;
  NAMING.lastIndex = opening.length;
  return {
    peer: isAddress(client!) ? { from: before!.length, to: opening.length } : undefined,
    namesNode: NAMING.test(text),
  };
}

/**
 * Rewrites a line of MONITOR or the beginning of one: the address of the client, as CLIENT LIST
 * shows it, and the words of a request that names a node, as SLOWLOG does.
 */
export function rewriteMonitored(frame: Value, addresses: AddressMap): Value {
  if ("items" in frame || frame.text === null) return frame;
  const { text } = frame;
  const [opening, before, client] = OPENING.exec(text) ?? [];
  if (opening === undefined) return frame;
  const words: Value[] = [];
  let end = WORD.lastIndex = opening.length + "]".length;
  for (let match; (match = WORD.exec(text)) !== null; end = WORD.lastIndex) {
    // What is escaped in a word stays so: no address has anything to escape.
    words.push(bulk(match[1]!));
  }
  rewriteRequest(words, addresses);
  const peer = isAddress(client!) ? publicPeer(client!, addresses) : client;
  const shown = words.map((word) => ` "${textOf(word)}"`).join("");
  frame.text = `${before}${peer}]${shown}${text.slice(end)}`;
  return frame;
}

/** In the place of an address a script has its language, and a Unix socket its path. */
function isAddress(client: string): boolean {
  return client !== "lua" && !client.startsWith("unix:");
}

/** A line as far as it tells of its client. */
const OPENING = /^(\d+\.\d+ \[\d+ )(unix:.*?|\S+)(?=\] ")/;

/** What then follows if the request may name a node. */
const NAMING =
  /\] "(?:migrate|replicaof|slaveof|failover|cluster" "meet|client" "(?:kill|list))"/iy;

/** A word that is whole, with the space before it (sds.c `sdscatrepr`). */
const WORD = / "([^"\\]*(?:\\.[^"\\]*)*)"/sy;
