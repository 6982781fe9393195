import { mapText, type Value } from "../../resp/frame.ts";
import type { PublicAddresses } from "../public_addresses.ts";
import { REPLICA_REF } from "./role.ts";

/**
 * Rewrites the lines of INFO with addresses (server.c `genRedisInfoString`): the node's own port
 * and listeners, a replica's primary, a primary's replicas. Lines end with CRLF.
 */
export function rewriteInfo(frame: Value, addresses: PublicAddresses): Value {
  return mapText(frame, (text) => {
    const primaryPort = Number(/^master_port:(\d+)/m.exec(text)?.[1] ?? 0);
    let primary: number | undefined;
    return text.split("\r\n").map((line) => {
      const [name, value] = splitOnce(line, ":");
      if (name === "tcp_port") return `${name}:${addresses.ownPort}`;
      if (name === "master_host" && value !== "") {
        primary = addresses.portOf({ relation: "primary", host: value, port: primaryPort }) ?? 0;
        return `${name}:${addresses.ip}`;
      }
      if (name === "master_port" && primary !== undefined) return `${name}:${primary}`;
      if (/^slave\d+$/.test(name)) return `${name}:${rewriteReplica(value, addresses)}`;
      if (/^listener\d+$/.test(name)) return `${name}:${rewriteListener(value, addresses)}`;
      return line;
    }).join("\r\n");
  });
}

/** A bind address for every interface; a server ignores failures for one with `-`. */
const WILDCARD_BIND = /^-?(\*|::\*)$/;

/** `ip=10.0.0.2,port=6379,state=online,…` */
function rewriteReplica(value: string, addresses: PublicAddresses): string {
  const match = /^ip=([^,]*),port=(\d+)(.*)$/.exec(value);
  if (match === null) return value;
  const port = addresses.portOf({
    ...REPLICA_REF,
    host: match[1]!,
    port: Number(match[2]),
  });
  return `ip=${addresses.ip},port=${port ?? 0}${match[3]}`;
}

/** `name=tcp,bind=10.0.0.2,bind=-::1,port=6379`; wildcards and Unix paths stay. */
function rewriteListener(value: string, addresses: PublicAddresses): string {
  if (value.startsWith("name=unix")) return value;
  return value.split(",").map((part) => {
    const [name, setting] = splitOnce(part, "=");
    if (name === "port") return `port=${addresses.ownPort}`;
    if (name === "bind" && !WILDCARD_BIND.test(setting)) return `bind=${addresses.ip}`;
    return part;
  }).join(",");
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + separator.length)];
}
