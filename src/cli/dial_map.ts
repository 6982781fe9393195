import { type AddressPattern, type DialMapping, formatPattern } from "../cluster/dial_map.ts";
import { canonicalHost, isWildcard, parseHostPort } from "../platform/address.ts";
import { invalid, quote, type RawValue } from "./config_error.ts";
import type { OptionType } from "./option_types.ts";

const EXPECTED =
  "expected PRIVATE=ADDRESS, each a HOST:PORT, a HOST or *:PORT, several separated by commas";

/** Nodes that are dialled elsewhere than they announce. No node may occur twice. */
export const dialMap: OptionType<DialMapping[]> = {
  placeholder: "PRIVATE=ADDRESS,...",
  parse({ source, text }) {
    const entries = text.split(",").map((entry) => ({ source, text: entry.trim() }));
    const mappings = new Map<string, DialMapping>();
    for (const entry of entries) {
      const mapping = parseEntry(entry);
      const node = formatPattern(mapping.node);
      if (mappings.has(node)) {
        throw invalid(entry, `${quote(node)} occurs before; expected each node once`);
      }
      mappings.set(node, mapping);
    }
    return [...mappings.values()];
  },
};

function parseEntry(raw: RawValue): DialMapping {
  const [node, dialled, ...more] = raw.text.split("=").map((side) => side.trim());
  if (!node || !dialled || more.length > 0) throw invalid(raw, EXPECTED);
  return { node: parsePattern(raw, node), dialled: parsePattern(raw, dialled) };
}

function parsePattern(raw: RawValue, text: string): AddressPattern {
  const [, anyHostPort] = /^\*:(\d+)$/.exec(text) ?? [];
  try {
    const { host, port } = parseHostPort(
      anyHostPort === undefined ? text : `any:${anyHostPort}`,
      NO_PORT,
    );
    const isComplete = port !== 0 && !isWildcard(host);
    if (!isComplete) throw new SyntaxError(`'${text}' is no address of a node`);
    return {
      ...anyHostPort === undefined && { host: canonicalHost(host) },
      ...port !== NO_PORT && { port },
    };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw invalid(raw, `${error.message}; ${EXPECTED}`);
  }
}

/** Stands for a port that is not given. */
const NO_PORT = -1;
