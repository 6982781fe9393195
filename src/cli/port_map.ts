import { canonicalHost, formatHostPort, MAX_PORT } from "../platform/address.ts";
import type { StaticMapping } from "../nat/port_allocator.ts";
import { invalid, quote, type RawValue } from "./config_error.ts";
import { type OptionType, parseNodeHostPort } from "./option_types.ts";

/** A node id as `CLUSTER MYID` prints it, in any case. */
const NODE_ID = /^[\da-f]{40}$/i;

const EXPECTED = "expected ID=PORT or HOST:PORT=PORT, several separated by commas";

/** The nodes with a fixed public port. No node and no port may occur twice. */
export const portMap: OptionType<StaticMapping[]> = {
  placeholder: "NODE=PORT,...",
  parse({ source, text }) {
    const entries = text.split(",").map((entry) => ({ source, text: entry.trim() }));
    const mappings: StaticMapping[] = [];
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
      mappings.push(mapping);
    }
    return mappings;
  },
};

function parseEntry(raw: RawValue): StaticMapping {
  const [, name, digits] = /^([^=]+)=(\d+)$/.exec(raw.text) ?? [];
  if (name === undefined) throw invalid(raw, EXPECTED);
  const port = Number(digits);
  if (port === 0 || port > MAX_PORT) {
    throw invalid(raw, `the public port is not from 1 to ${MAX_PORT}; ${EXPECTED}`);
  }
  if (NODE_ID.test(name)) return { node: name.toLowerCase(), port };
  const node = parseNodeHostPort(raw, name, EXPECTED);
  return { node: { host: canonicalHost(node.host), port: node.port }, port };
}

function keyOf(node: StaticMapping["node"]): string {
  return typeof node === "string" ? node : formatHostPort(node);
}
