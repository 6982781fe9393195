import type { HostPort } from "../platform/address.ts";
import type { NatEntry } from "./nat_table.ts";

/** What the map file tells of a node. */
export type MapNode = Omit<NatEntry, "busPort">;

/** Rises when readers that know only what was before would misunderstand the file. */
const VERSION = 1;

/**
 * The text of a map file: JSON that says which public address stands for which node, in the order
 * of public ports, and says it once more in the form in which clients take it that translate
 * addresses by themselves. The same nodes make the same text.
 */
export function formatMap(publicHost: string, nodes: readonly MapNode[]): string {
  const sorted = nodes.toSorted((a, b) => a.publicPort - b.publicPort);
  const translations = translationsOf(publicHost, sorted);
  const map = {
    version: VERSION,
    nodes: sorted.map(({ id, role, address, publicPort }) => ({
      id,
      role,
      private: toPlain(address),
      public: { host: publicHost, port: publicPort },
    })),
    "ioredis": { natMap: natMapOf(translations) },
    "redis-py": { address_remap: addressRemapOf(translations) },
  };
  return JSON.stringify(map, null, 2) + "\n";
}

interface Translation {
  readonly from: HostPort;
  readonly to: HostPort;
}

/** From each name of a node; one that several have says nothing about which of them is meant. */
function translationsOf(publicHost: string, nodes: readonly MapNode[]): Translation[] {
  const claims = new Map<string, Translation | undefined>();
  for (const { names, publicPort } of nodes) {
    const to = { host: publicHost, port: publicPort };
    for (const name of names) {
      const key = natKeyOf(name);
      const shared = claims.has(key) && claims.get(key)?.to.port !== publicPort;
      claims.set(key, shared ? undefined : { from: toPlain(name), to });
    }
  }
  return [...claims.values()].filter((translation) => translation !== undefined);
}

/** The option `natMap` of ioredis: an object by `host:port`. */
function natMapOf(translations: readonly Translation[]): Record<string, HostPort> {
  return Object.fromEntries(translations.map(({ from, to }) => [natKeyOf(from), to]));
}

/** As ioredis puts it together (cluster/index.js `natMapper`): IPv6 has no brackets. */
function natKeyOf({ host, port }: HostPort): string {
  return `${host}:${port}`;
}

/**
 * The parameter `address_remap` of redis-py: a lambda in Python that takes a tuple of host and
 * port, and returns one.
 */
function addressRemapOf(translations: readonly Translation[]): string {
  const items = translations.map(({ from, to }) => `${toTuple(from)}: ${toTuple(to)}`);
  return `lambda address: {${items.join(", ")}}.get(address, address)`;
}

function toTuple({ host, port }: HostPort): string {
  return `(${toPythonString(host)}, ${port})`;
}

/** The escapes of JSON mean the same in Python; those beyond ASCII have to have eight digits. */
function toPythonString(text: string): string {
  return JSON.stringify(text).replace(/[^\0-\x7f]/gu, (character) => {
    return `\\U${character.codePointAt(0)!.toString(16).padStart(8, "0")}`;
  });
}

/** Whatever else an address may carry stays out of the file. */
function toPlain({ host, port }: HostPort): HostPort {
  return { host, port };
}
