import { formatHostPort, type HostPort, parseHostPort } from "../platform/address.ts";
import { ConfigError, quote, type RawValue } from "./config_error.ts";
import type { OptionType } from "./option_types.ts";

/** The nodes to start from, and what their URLs say about all connections to the cluster. */
export interface ClusterAddress {
  readonly seeds: readonly HostPort[];
  /** Undefined if no address is a URL. */
  readonly scheme: "redis" | "rediss" | undefined;
  /** The user and the password in the URLs; secrets both. */
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/** One of the addresses. */
interface Entry extends Omit<ClusterAddress, "seeds"> {
  readonly seed: HostPort;
}

/** The default port of Redis servers. */
const REDIS_PORT = 6379;

/** Scheme, user and password, host and port, and the rest. */
const URL_FORM = /^(rediss?):\/\/(?:([^/?#]*)@)?([^/?#]*)(.*)$/is;

const EXPECTED = "expected host:port of a node, or several separated by commas";

/** A part of a password may end up anywhere, so these errors quote nothing. */
const EXPECTED_URL = "expected redis://user:password@host:port, or rediss:// for TLS, with " +
  "percent-encoding in the user and the password, such as %2C for a comma";

/** The addresses of one or more nodes, as `host:port` or as URL. */
export const clusterAddress: OptionType<ClusterAddress> = {
  placeholder: "HOST[:PORT],...",
  parse(raw) {
    const texts = raw.text.split(",").map((text) => text.trim());
    const entries = texts.map((text, index) => {
      try {
        return parseEntry(text);
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        const reason = error.message;
        throw mayBeSecret(raw)
          ? new ConfigError(`${reason} in address ${index + 1} of ${raw.source}; ${EXPECTED_URL}`)
          : new ConfigError(`${reason} in ${raw.source} ${quote(text || raw.text)}; ${EXPECTED}`);
      }
    });
    return { seeds: entries.map(({ seed }) => seed), ...inCommon(raw, entries) };
  },
  shown(raw) {
    const { seeds, scheme } = this.parse(raw);
    const prefix = scheme === undefined ? "" : `${scheme}://`;
    return seeds.map((seed) => prefix + formatHostPort(seed)).join(",");
  },
};

function mayBeSecret({ text }: RawValue): boolean {
  return /@|:\/\//.test(text);
}

/**
 * Parses an address.
 *
 * @throws {SyntaxError} with the reason, which repeats nothing of it
 */
function parseEntry(text: string): Entry {
  const [, scheme, userinfo = "", address, rest] = URL_FORM.exec(text) ?? [];
  if (scheme === undefined && text.includes("://")) {
    throw new SyntaxError("The scheme is neither redis nor rediss");
  }
  if (scheme === undefined && text.includes("@")) {
    throw new SyntaxError("There is a user or a password without redis:// before it");
  }
  if (rest?.includes("@")) {
    throw new SyntaxError("There is a /, ? or # before the @");
  }
  if (rest !== undefined && /[?#]/.test(rest)) {
    throw new SyntaxError("There is a query, which has no meaning here,");
  }
  if (rest !== undefined && !/^(\/0?)?$/.test(rest)) {
    throw new SyntaxError("There is a path, but a cluster has no database other than 0,");
  }
  const seed = parseHostPort(address ?? text, REDIS_PORT);
  if (seed.host === "") throw new SyntaxError("A host is missing");
  if (seed.port === 0) throw new SyntaxError("A port is 0");
  const [, username, password] = /^([^:]*):?(.*)$/s.exec(userinfo)!;
  return {
    seed,
    scheme: scheme?.toLowerCase() as Entry["scheme"],
    username: decode(username!),
    password: decode(password!),
  };
}

function decode(text: string): string | undefined {
  try {
    return text === "" ? undefined : decodeURIComponent(text);
  } catch {
    throw new SyntaxError("A % is not followed by two hex digits of UTF-8");
  }
}

/** What the URLs say; those without user and password take them from the others. */
function inCommon({ source }: RawValue, entries: readonly Entry[]): Omit<Entry, "seed"> {
  const schemes = new Set(entries.flatMap(({ scheme }) => scheme ?? []));
  if (schemes.size > 1) {
    throw new ConfigError(
      `Cannot use both redis:// and rediss:// in ${source}: either all nodes are reached over ` +
        "TLS or none; write the same scheme in all URLs",
    );
  }
  const [first, ...others] = entries.filter(({ username, password }) => username ?? password);
  const { username, password } = first ?? {};
  if (others.some((other) => other.username !== username || other.password !== password)) {
    throw new ConfigError(
      `The URLs in ${source} differ in user or password, but the proxy uses the same for all ` +
        "nodes; write the same in all, or in one only",
    );
  }
  return { scheme: [...schemes][0], username, password };
}
