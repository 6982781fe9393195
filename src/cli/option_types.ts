import {
  type HostPort,
  isHostName,
  isIpAddress,
  isIpv6,
  isLocalhost,
  isWildcard,
  parseHostPort,
} from "../platform/address.ts";
import type { LogOptions } from "../platform/log.ts";
import { MAX_TIMER_MS } from "../platform/timeout.ts";
import { ConfigError, invalid, quote, type RawValue } from "./config_error.ts";

/** The type of an option's value. */
export interface OptionType<T> {
  /** The value's placeholder in `--help`; an option without one is a switch: on or off. */
  readonly placeholder?: string;
  /**
   * Parses a value.
   *
   * @throws {ConfigError} for a value that cannot be used; the message does not repeat a password
   */
  parse(raw: RawValue): T;
  /** Shows a value without the secrets in it; without this method all of it may be shown. */
  shown?(raw: RawValue): string;
}

/** The number of cores of a large machine; each thread takes memory even when it is idle. */
const MAX_THREADS = 64;

const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** A type whose values are a few fixed names, in any case. */
export function choice<T>(choices: Record<string, T>, placeholder?: string): OptionType<T> {
  return {
    ...placeholder !== undefined && { placeholder },
    parse(raw) {
      const name = raw.text.toLowerCase();
      if (Object.hasOwn(choices, name)) return choices[name]!;
      throw invalid(raw, `expected one of ${Object.keys(choices).join(", ")}`);
    },
  };
}

const SWITCH = {
  "1": true,
  true: true,
  yes: true,
  on: true,
  "0": false,
  false: false,
  no: false,
  off: false,
};

/** A flag that may have no value, which means on. */
export const booleanFlag = choice(SWITCH);

/** On or off, as the value of a flag. */
export const onOff = choice(SWITCH, "ON|OFF");

/** The lowest level that is logged. */
export const logLevel = choice<LogOptions["level"]>({
  debug: "debug",
  info: "info",
  warning: "warning",
  warn: "warning",
  error: "error",
}, "LEVEL");

/** The form of the log. */
export const logFormat = choice<LogOptions["format"]>({ text: "text", json: "json" }, "FORMAT");

/** Any text. */
export function text(placeholder: string): OptionType<string> {
  return { placeholder, parse: (raw) => raw.text };
}

/** Any text that nobody else may know. */
export function secret(placeholder: string): OptionType<string> {
  return { ...text(placeholder), shown: () => "***" };
}

/** A whole number from `min` to `max`. */
export function count(
  min: number,
  max = Number.MAX_SAFE_INTEGER,
  placeholder = "COUNT",
): OptionType<number> {
  return {
    placeholder,
    parse(raw) {
      const number = /^\d+$/.test(raw.text) ? Number(raw.text) : NaN;
      if (number >= min && number <= max) return number;
      throw invalid(raw, `expected a whole number from ${min} to ${max}`);
    },
  };
}

/** A number of threads, or `auto` for one per core. */
export const threadCount: OptionType<number> = {
  placeholder: "COUNT|auto",
  parse(raw) {
    // Other kernels do not distribute the connections to one port over several listeners.
    const usable = Deno.build.os === "linux" ? MAX_THREADS : 1;
    if (raw.text.toLowerCase() === "auto") return Math.min(navigator.hardwareConcurrency, usable);
    const threads = /^\d+$/.test(raw.text) ? Number(raw.text) : NaN;
    if (!(threads >= 1 && threads <= MAX_THREADS)) {
      throw invalid(raw, `expected a whole number from 1 to ${MAX_THREADS}, or auto`);
    }
    if (threads > usable) throw invalid(raw, "only Linux shares a port among threads; expected 1");
    return threads;
  },
};

/** A duration with a unit, in milliseconds. 0 becomes `zero`; any other one is at least `minMs`. */
export function duration({ zero = 0, minMs = 0 } = {}): OptionType<number> {
  return {
    placeholder: "DURATION",
    parse(raw) {
      const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(raw.text) ?? [];
      if (raw.text !== "0" && (number === undefined || unit === undefined)) {
        throw invalid(raw, "expected a number and ms, s, m or h, such as 500ms or 60s, or 0");
      }
      const durationMs = toTimerMs(raw, Number(number ?? 0) * UNIT_MS[unit ?? "ms"]!);
      if (durationMs === 0) return zero;
      if (durationMs < minMs) throw invalid(raw, `it is too short; expected at least ${minMs}ms`);
      return durationMs;
    },
  };
}

/** A duration in milliseconds that is not 0. */
export function positiveDuration(): OptionType<number> {
  const { placeholder, parse } = duration();
  return {
    placeholder: placeholder!,
    parse(raw) {
      const durationMs = parse(raw);
      if (durationMs === 0) throw invalid(raw, "expected a duration greater than 0");
      return durationMs;
    },
  };
}

/** A number of seconds without a unit, in milliseconds. */
export const seconds: OptionType<number> = {
  placeholder: "SECONDS",
  parse(raw) {
    if (!/^\d+(\.\d+)?$/.test(raw.text)) {
      throw invalid(raw, "expected a number of seconds, such as 5");
    }
    return toTimerMs(raw, Number(raw.text) * 1000);
  },
};

function toTimerMs(raw: RawValue, ms: number): number {
  if (ms > MAX_TIMER_MS) throw invalid(raw, "it is too long; expected at most 24 days");
  // Rounding must not result in 0, which has its own meaning.
  return ms === 0 ? 0 : Math.max(1, Math.round(ms));
}

/** An address to listen on: host "" is every interface, and port 0 any free port. */
export const listenAddress: OptionType<HostPort> = {
  placeholder: "[HOST]:PORT",
  parse: (raw) => parseAddress(raw, raw.text, "expected [host]:port, such as :8000"),
};

/** An address to listen on; without a host, only this machine reaches it. */
export const localAddress: OptionType<HostPort> = {
  placeholder: "[HOST]:PORT",
  parse(raw) {
    const address = parseAddress(raw, raw.text, "expected [host]:port, such as :9121");
    return address.host === "" ? { ...address, host: "127.0.0.1" } : address;
  },
};

/**
 * Parses the address of a node, which may be a part of a value.
 *
 * @param expected completes the error message: what form the value should have
 * @throws {ConfigError} for an address that no node can have
 */
export function parseNodeHostPort(raw: RawValue, text: string, expected: string): HostPort {
  const node = parseAddress(raw, text, expected);
  if (isWildcard(node.host)) throw invalid(raw, `no node has that host; ${expected}`);
  if (node.port === 0) throw invalid(raw, `the node's port is 0; ${expected}`);
  return node;
}

function parseAddress(raw: RawValue, text: string, expected: string): HostPort {
  try {
    return parseHostPort(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new ConfigError(`${error.message} in ${raw.source} ${quote(text)}; ${expected}`);
  }
}

/** The name in the certificates of all nodes. */
export const serverName: OptionType<string> = {
  placeholder: "NAME",
  parse(raw) {
    const name = raw.text.replace(/\.$/, "");
    if (isHostName(name) && !isIpAddress(name)) return name;
    throw invalid(raw, "expected a host name that the certificates of all nodes have");
  },
};

/** The public host that is the address at which a client reached the proxy. */
export const REACHED = "reached";

/**
 * A host to advertise to clients, without a port, or `REACHED`. `localhost` becomes 127.0.0.1:
 * clients that resolve it may try ::1 first.
 */
export const publicHost: OptionType<string> = {
  placeholder: "HOST|reached",
  parse(raw) {
    if (raw.text.trim().toLowerCase() === REACHED) return REACHED;
    const host = raw.text.trim().replace(/^\[(.*)\]$/, "$1");
    const expected = "expected the host name or IP address that clients connect to";
    checkConnectable(raw, host, expected);
    if (!isIpv6(host) && (!isHostName(host) || host !== raw.text.trim())) {
      throw invalid(raw, `it is neither a host name nor an IP address; ${expected}`);
    }
    return isLocalhost(host) ? "127.0.0.1" : host;
  },
};

/** The IP address that stands beside a public host, which is a name. */
export const publicIp: OptionType<string> = {
  placeholder: "ADDRESS",
  parse(raw) {
    const address = raw.text.trim().replace(/^\[(.*)\]$/, "$1");
    const expected = "expected the IP address that clients connect to";
    checkConnectable(raw, address, expected);
    if (!isIpAddress(address)) throw invalid(raw, `it is no IP address; ${expected}`);
    return address;
  },
};

function checkConnectable(raw: RawValue, host: string, expected: string): void {
  if (isWildcard(host)) throw invalid(raw, `no client can connect to it; ${expected}`);
  if (/^(\[.*\]|[^:]*):[^:]*$/.test(raw.text)) {
    throw invalid(raw, "it has a port; leave that out, the proxy adds the port of each node");
  }
}
