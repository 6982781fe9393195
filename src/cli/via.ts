import { formatHostPort, parseHostPort } from "../platform/address.ts";
import type { Tunnel } from "../tunnel/tunnel.ts";
import { invalid, type RawValue } from "./config_error.ts";
import type { OptionType } from "./option_types.ts";

const EXPECTED = "expected socks5://[USER:PASSWORD@]HOST:PORT or http://[USER:PASSWORD@]HOST:PORT";

/** Schemes in lower case. `socks5h` is curl's name for SOCKS5 with names resolved at the far end. */
const PROTOCOLS: Readonly<Record<string, Tunnel["protocol"]>> = {
  socks5: "socks5",
  socks5h: "socks5",
  http: "http",
};

/** The length of a user name and a password has one byte in SOCKS5 (RFC 1929). */
const MAX_LOGIN_BYTES = 255;

/** The proxy through which nodes are reached. Messages do not repeat its password. */
export const viaTunnel: OptionType<Tunnel> = {
  placeholder: "URL",
  parse(raw) {
    const [, scheme, userInfo, at] = /^([^:/@]+):\/\/(?:(.*)@)?([^@/]*)\/?$/s.exec(raw.text) ?? [];
    if (scheme === undefined || at === undefined) throw invalid(raw, EXPECTED);
    const protocol = PROTOCOLS[scheme.toLowerCase()];
    if (protocol === undefined) throw invalid(raw, `the scheme is unknown; ${EXPECTED}`);
    const login = userInfo === undefined ? undefined : parseLogin(raw, userInfo);
    return { protocol, at: parseAt(raw, at), login };
  },
  shown(raw) {
    const { protocol, at } = this.parse(raw);
    return `${protocol}://${formatHostPort(at)}`;
  },
};

function parseAt(raw: RawValue, text: string): Tunnel["at"] {
  try {
    const at = parseHostPort(text);
    if (at.host !== "" && at.port !== 0) return at;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw invalid(raw, `${error.message.toLowerCase()}; ${EXPECTED}`);
  }
  throw invalid(raw, `its host or port is missing; ${EXPECTED}`);
}

function parseLogin(raw: RawValue, userInfo: string): NonNullable<Tunnel["login"]> {
  const [username = "", ...rest] = userInfo.split(":").map((part) => decode(raw, part));
  const password = rest.join(":");
  const size = Math.max(
    ...[username, password].map((text) => new TextEncoder().encode(text).length),
  );
  if (username === "" || rest.length === 0) {
    throw invalid(raw, `its login is incomplete; ${EXPECTED}`);
  }
  if (size > MAX_LOGIN_BYTES) {
    throw invalid(raw, `its user name or password is longer than ${MAX_LOGIN_BYTES} bytes`);
  }
  return { username, password };
}

function decode(raw: RawValue, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    throw invalid(raw, "its login has a % without two hexadecimal digits; write % as %25");
  }
}
