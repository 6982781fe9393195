/** A host name or IP address, IPv6 without brackets, and a TCP port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** The highest TCP port. */
export const MAX_PORT = 65535;

/**
 * Parses `host:port` or, if there is a default port, `host`. The host may be empty and the port 0;
 * the caller decides what they mean. An IPv6 address has brackets.
 *
 * @throws {SyntaxError} with the reason; the message does not repeat the text
 */
export function parseHostPort(text: string, defaultPort?: number): HostPort {
  const match = HOST_PORT.exec(text);
  if (match === null) {
    throw new SyntaxError(
      isIpv6(text.replace(/:\d*$/, "")) || isIpv6(text)
        ? "The IPv6 address has no brackets"
        : "The colons or brackets do not match host:port",
    );
  }
  const [, bracketed, plain = "", digits] = match;
  if (bracketed !== undefined && !isIpv6(bracketed)) {
    throw new SyntaxError("The brackets contain no IPv6 address");
  }
  if (plain !== "" && !isHostName(plain)) {
    throw new SyntaxError("The host is neither a host name nor an IP address");
  }
  const port = digits === undefined ? defaultPort : Number(digits);
  if (port === undefined) throw new SyntaxError("The port is missing");
  if (digits !== undefined && (!/^\d+$/.test(digits) || port > MAX_PORT)) {
    throw new SyntaxError(`The port is not a number up to ${MAX_PORT}`);
  }
  return { host: bracketed ?? plain, port };
}

/** Formats `host:port`, with brackets around an IPv6 address; the inverse of `parseHostPort`. */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether a text is an IPv6 address, without brackets and without a zone. */
export function isIpv6(text: string): boolean {
  // With these characters only, no other form of host in brackets is a valid URL.
  return /^[\da-f:.]+$/i.test(text) && URL.canParse(`http://[${text}]`);
}

/** Whether a text is an IPv4 address, or an IPv6 address without brackets. */
export function isIpAddress(text: string): boolean {
  return isIpv6(text) || (/^[\d.]+$/.test(text) && isHostName(text));
}

/** Whether a host is `localhost`. */
export function isLocalhost(host: string): boolean {
  return /^localhost\.?$/i.test(host);
}

/** Whether an IP address is a loopback address. */
export function isLoopback(host: string): boolean {
  return isSameHost(host, "::1") || (isIpAddress(host) && host.startsWith("127."));
}

/** Whether two texts are the same host name or IP address, in any notation. */
export function isSameHost(one: string, other: string): boolean {
  return canonicalHost(one) === canonicalHost(other);
}

/** Whether a text is an IPv4 address or a host name, with or without a trailing dot. */
export function isHostName(text: string): boolean {
  const labels = text.replace(/\.$/, "").split(".");
  if (labels.every((label) => /^\d+$/.test(label))) {
    // Resolvers accept `10.1` and `010.0.0.1`, but as other addresses than users expect.
    return !text.endsWith(".") && labels.length === 4 &&
      labels.every((label) => String(Number(label)) === label && Number(label) <= 255);
  }
  return text.length <= MAX_HOST_NAME_CHARS && labels.every((label) => LABEL.test(label));
}

/** A host in lower case, and an IPv6 address in its shortest form, as servers print it. */
export function canonicalHost(host: string): string {
  // Servers keep the dots of an IPv4-mapped IPv6 address, URLs do not.
  if (!isIpv6(host) || host.includes(".")) return host.toLowerCase();
  return new URL(`http://[${host}]`).hostname.slice(1, -1);
}

/** The 4 or 16 bytes of an IP address. */
export function addressBytes(host: string): number[] {
  if (!isIpv6(host)) return host.split(".").map(Number);
  // A URL prints the shortest form, without dots.
  const [before = "", after] = new URL(`http://[${host}]`).hostname.slice(1, -1).split("::");
  const groups = (text: string | undefined) => text ? text.split(":") : [];
  const [head, tail] = [groups(before), groups(after)];
  const zeros = Array<string>(8 - head.length - tail.length).fill("0");
  return [...head, ...zeros, ...tail].flatMap((group) => {
    const value = parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

/**
 * The text of the 4 or 16 bytes of an IP address, in its shortest form; an IPv4-mapped IPv6 address
 * becomes an IPv4 address. The inverse of `addressBytes`.
 */
export function addressText(bytes: readonly number[]): string {
  if (bytes.length === 4) return bytes.join(".");
  if (isMapped(bytes)) return bytes.slice(MAPPED_PREFIX.length).join(".");
  const groups = bytes.flatMap((byte, at) =>
    at % 2 === 0 ? (byte * 256 + bytes[at + 1]!).toString(16) : []
  );
  return canonicalHost(groups.join(":"));
}

/** Whether the bytes of an IPv6 address stand for an IPv4 address (RFC 4291, section 2.5.5.2). */
export function isMapped(bytes: readonly number[]): boolean {
  return bytes.length === 16 && MAPPED_PREFIX.every((byte, at) => bytes[at] === byte);
}

/** The bytes before the IPv4 address in an IPv4-mapped IPv6 address. */
export const MAPPED_PREFIX: readonly number[] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** Whether a host stands for every interface: a program can listen on it, but not connect to it. */
export function isWildcard(host: string): boolean {
  return host === "" || host === "0.0.0.0" ||
    (isIpv6(host) && new URL(`http://[${host}]`).hostname === "[::]");
}

/** The longest host name (RFC 1035, section 2.3.4). */
const MAX_HOST_NAME_CHARS = 253;

/** A label of a host name (RFC 1123, section 2.1), plus the underscore of container names. */
const LABEL = /^(?!-)[\w-]{1,63}(?<!-)$/;

const HOST_PORT = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::([^:]*))?$/;

/** Splits `host:port` at the last colon: servers print IPv6 addresses without brackets. */
export function splitAddress(text: string): HostPort | undefined {
  const match = /^(.*):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  return { host: match[1]!.replace(/^\[(.*)\]$/, "$1"), port: Number(match[2]) };
}
