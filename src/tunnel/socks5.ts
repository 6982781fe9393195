import { addressBytes, type HostPort, isIpAddress, isIpv6 } from "../platform/address.ts";
import { type ByteSink, type ByteSource, writeAll } from "../platform/net.ts";
import { readExactly } from "./read_exactly.ts";
import type { TunnelLogin } from "./tunnel_login.ts";
import { TunnelDownError, TunnelError } from "./tunnel_error.ts";

const VERSION = 5;

/** The version of the login (RFC 1929). */
const LOGIN_VERSION = 1;

const CONNECT = 1;

/** Ways to log in (RFC 1928, section 3). */
const METHOD = { none: 0, password: 2, unacceptable: 0xff } as const;

/** Kinds of addresses (RFC 1928, section 5). */
const ADDRESS = { ipv4: 1, name: 3, ipv6: 4 } as const;

/** User name, password and host name have one byte for their length. */
const MAX_TEXT_BYTES = 255;

/** What the codes of a reply mean (RFC 1928, section 6). */
const REFUSALS: Readonly<Record<number, string>> = {
  1: "general failure",
  2: "its rules do not allow the connection",
  3: "network unreachable",
  4: "host unreachable, or its name does not resolve",
  5: "connection refused",
  6: "TTL expired",
  7: "it does not support CONNECT",
  8: "it does not support this type of address",
};

/**
 * Asks a SOCKS5 proxy to connect to an address (RFC 1928), with a user name and a password if there
 * is a login (RFC 1929).
 *
 * @throws {TunnelError} if the proxy refuses; a TunnelDownError if it refuses the login, or does not
 * speak SOCKS5
 */
export async function requestSocks5(
  proxy: ByteSource & ByteSink,
  login: TunnelLogin | undefined,
  address: HostPort,
): Promise<void> {
  const methods = login === undefined ? [METHOD.none] : [METHOD.none, METHOD.password];
  await writeAll(proxy, Uint8Array.of(VERSION, methods.length, ...methods));
  const method = (await readReply(proxy, 2))[1];
  if (method === METHOD.password && login !== undefined) await logIn(proxy, login);
  else if (method !== METHOD.none) throw unacceptable(method, login);
  const { port } = address;
  const request = [VERSION, CONNECT, 0, ...encodeHost(address.host), port >> 8, port & 0xff];
  await writeAll(proxy, Uint8Array.from(request));
  const [, code, , kind] = await readReply(proxy, 4);
  if (code !== 0) {
    throw new TunnelError(`the tunnel refused: ${REFUSALS[code!] ?? `SOCKS5 code ${code}`}`);
  }
  // The address that the proxy is bound to, which nobody needs.
  await readExactly(proxy, await hostLength(proxy, kind!) + 2);
}

async function logIn(proxy: ByteSource & ByteSink, login: TunnelLogin): Promise<void> {
  const fields = [encodeText(login.username), encodeText(login.password)].flat();
  await writeAll(proxy, Uint8Array.of(LOGIN_VERSION, ...fields));
  const [, status] = await readExactly(proxy, 2);
  if (status !== 0) {
    throw new TunnelDownError("The tunnel refused the user name or the password; correct --via");
  }
}

function unacceptable(method: number | undefined, login: TunnelLogin | undefined): Error {
  if (method !== METHOD.unacceptable) {
    return new TunnelDownError(`The tunnel chose SOCKS5 method ${method}, which was not offered`);
  }
  return new TunnelDownError(
    login === undefined
      ? "The tunnel requires a login; set --via=socks5://user:password@host:port"
      : "The tunnel accepts no password; change its configuration",
  );
}

/** Reads the beginning of a reply. */
async function readReply(proxy: ByteSource, count: number): Promise<Uint8Array> {
  const reply = await readExactly(proxy, count);
  if (reply[0] === VERSION) return reply;
  throw new TunnelDownError(
    "The tunnel does not speak SOCKS5; correct the address or scheme of --via",
  );
}

async function hostLength(proxy: ByteSource, kind: number): Promise<number> {
  switch (kind) {
    case ADDRESS.ipv4:
      return 4;
    case ADDRESS.ipv6:
      return 16;
    case ADDRESS.name:
      return (await readExactly(proxy, 1))[0]!;
    default:
      throw new TunnelDownError(`The tunnel sent an address of the unknown type ${kind}`);
  }
}

function encodeHost(host: string): readonly number[] {
  if (!isIpAddress(host)) return [ADDRESS.name, ...encodeText(host)];
  return [isIpv6(host) ? ADDRESS.ipv6 : ADDRESS.ipv4, ...addressBytes(host)];
}

/** A text with its length; the options limit user name and password, and DNS limits names. */
function encodeText(text: string): readonly number[] {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length > MAX_TEXT_BYTES) {
    throw new TunnelError(`SOCKS5 cannot send a text of more than ${MAX_TEXT_BYTES} bytes`);
  }
  return [bytes.length, ...bytes];
}
