import { itemsOf, textOf, type Value } from "../resp/frame.ts";
import { WILDCARD_BIND } from "./info.ts";
import type { Naming } from "./naming.ts";
import { rewriteText } from "./text.ts";

/**
 * Rewrites CONFIG GET (config.c `configGetCommand`): names and values in turn, all bulks. The bus
 * ports stay, as they do in CLUSTER NODES. Since 7.0 a name comes in the letters in which it was
 * asked for, capitals or not.
 */
export function rewriteConfig(frame: Value, naming: Naming): Value {
  const items = itemsOf(frame) ?? [];
  for (let at = 0; at + 1 < items.length; at += 2) {
    const rewrite = SETTINGS.get(textOf(items[at])?.toLowerCase() ?? "");
    if (rewrite !== undefined) {
      rewriteText(items[at + 1]!, (value) => value === "" ? value : rewrite(value, naming));
    }
  }
  return frame;
}

type Setting = (value: string, naming: Naming) => string;

/** The settings that hold addresses. */
const SETTINGS: ReadonlyMap<string, Setting> = new Map<string, Setting>([
  ["cluster-announce-ip", publicHost],
  ["cluster-announce-hostname", publicHost],
  ["cluster-announce-client-ipv4", publicHost],
  ["cluster-announce-client-ipv6", publicHost],
  ["replica-announce-ip", publicHost],
  ["slave-announce-ip", publicHost],
  ["bind", publicBind],
  ["bind-source-addr", publicBind],
  ["port", publicPort],
  ["tls-port", publicPort],
  ["cluster-announce-port", publicPort],
  ["cluster-announce-tls-port", publicPort],
  ["cluster-announce-client-port", publicPort],
  ["cluster-announce-client-tls-port", publicPort],
  ["replica-announce-port", publicPort],
  ["slave-announce-port", publicPort],
  ["replicaof", publicPrimary],
  ["slaveof", publicPrimary],
]);

function publicHost(_value: string, naming: Naming): string {
  return naming.host;
}

/** A port of 0 is none. */
function publicPort(value: string, naming: Naming): string {
  return value === "0" ? value : String(naming.ownPort);
}

/** `10.0.0.1 -::1`: of however many addresses one is left; wildcards tell nothing. */
function publicBind(value: string, naming: Naming): string {
  const places = value.split(" ").map((place) => WILDCARD_BIND.test(place) ? place : naming.host);
  return [...new Set(places)].join(" ");
}

/** `10.0.0.2 6379`, on a replica in a cluster, too. */
function publicPrimary(value: string, naming: Naming): string {
  const [, host, port] = /^(.*) (\d+)$/.exec(value) ?? [];
  if (host === undefined) return naming.host;
  const known = naming.portOf({ relation: "primary", host, port: Number(port) });
  return `${naming.host} ${known ?? 0}`;
}
