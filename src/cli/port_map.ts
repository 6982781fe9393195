import { canonicalHost, formatHostPort, MAX_PORT } from "../platform/address.ts";
import type { StaticMapping } from "../nat/port_allocator.ts";
import { invalid, quote, type RawValue } from "./config_error.ts";
import { type OptionType, parseNodeHostPort } from "./option_types.ts";

/** A node id as `CLUSTER MYID` prints it, in any case. */
const NODE_ID = /^[\da-f]{40}$/i;

const EXPECTED = "expected ID=PORT or HOST:PORT=PORT, each with :PUBLIC or without, several " +
  "separated by commas";

/** A static mapping, and the port at which clients reach it if that is fixed, too. */
export interface PortMapping extends StaticMapping {
  readonly publicPort?: number;
}

/** The nodes with a fixed port. No node and no port may occur twice. */
export const portMap: OptionType<PortMapping[]> = {
  placeholder: "NODE=LISTEN[:PUBLIC],...",
  parse({ source, text }) {
    const entries = text.split(",").map((entry) => ({ source, text: entry.trim() }));
    const mappings: PortMapping[] = [];
    for (const entry of entries) {
      const mapping = parseEntry(entry);
      const sameNode = mappings.findIndex(({ node }) => keyOf(node) === keyOf(mapping.node));
      const samePort = mappings.findIndex(({ port }) => port === mapping.port);
      if (sameNode >= 0) {
        const other = quote(entries[sameNode]!.text);
        throw invalid(entry, `${other} has the same node; expected each node once`);
      }
      if (samePort >= 0) {
        const other = quote(entries[samePort]!.text);
        throw invalid(entry, `${other} has the same port; expected each port once`);
      }
      const samePublic = mappings.findIndex(({ publicPort }) =>
        publicPort !== undefined && publicPort === mapping.publicPort
      );
      if (samePublic >= 0) {
        const other = quote(entries[samePublic]!.text);
        throw invalid(entry, `${other} has the same public port; expected each port once`);
      }
      mappings.push(mapping);
    }
    return mappings;
  },
};

function parseEntry(raw: RawValue): PortMapping {
  const [, name, listen, publicPort] = /^([^=]+)=(\d+)(?::(\d+))?$/.exec(raw.text) ?? [];
  if (name === undefined) throw invalid(raw, EXPECTED);
  const ports = {
    port: parsePort(raw, Number(listen)),
    ...publicPort !== undefined && { publicPort: parsePort(raw, Number(publicPort)) },
  };
  if (NODE_ID.test(name)) return { node: name.toLowerCase(), ...ports };
  const node = parseNodeHostPort(raw, name, EXPECTED);
  return { node: { host: canonicalHost(node.host), port: node.port }, ...ports };
}

function parsePort(raw: RawValue, port: number): number {
  if (port >= 1 && port <= MAX_PORT) return port;
  throw invalid(raw, `the port is not from 1 to ${MAX_PORT}; ${EXPECTED}`);
}

function keyOf(node: StaticMapping["node"]): string {
  return typeof node === "string" ? node : formatHostPort(node);
}
