import { formatHostPort, type HostPort } from "../platform/address.ts";
import { type ByteSink, type ByteSource, writeAll } from "../platform/net.ts";
import { oneLine } from "../platform/one_line.ts";
import { readExactly } from "./read_exactly.ts";
import type { TunnelLogin } from "./tunnel_login.ts";
import { TunnelDownError, TunnelError } from "./tunnel_error.ts";

/** Proxies send a few hundred bytes. */
const MAX_HEAD_BYTES = 16 * 1024;

const HEAD_END = "\r\n\r\n";

/** The longest part of a status line to show. */
const MAX_SHOWN_CHARS = 100;

/**
 * Asks an HTTP proxy to connect to an address (RFC 9110, section 9.3.6), with Basic authentication
 * if there is a login (RFC 7617).
 *
 * @throws {TunnelError} if the proxy refuses; a TunnelDownError if it refuses the login, or does not
 * speak HTTP
 */
export async function requestHttpConnect(
  proxy: ByteSource & ByteSink,
  login: TunnelLogin | undefined,
  address: HostPort,
): Promise<void> {
  const target = formatHostPort(address);
  const lines = [`CONNECT ${target} HTTP/1.1`, `Host: ${target}`];
  if (login !== undefined) lines.push(`Proxy-Authorization: Basic ${encodeLogin(login)}`);
  await writeAll(proxy, new TextEncoder().encode(lines.join("\r\n") + HEAD_END));
  const [statusLine = ""] = (await readHead(proxy)).split("\r\n");
  const [, status, reason = ""] = /^HTTP\/1\.[01] (\d{3})(?: (.*))?$/.exec(statusLine) ?? [];
  if (status?.startsWith("2")) return;
  if (status === "407") {
    throw new TunnelDownError(
      login === undefined
        ? "The tunnel requires a login; set --via=http://user:password@host:port"
        : "The tunnel refused the user name or the password; correct --via",
    );
  }
  if (status === undefined) throw notHttp();
  const shown = oneLine(`${status} ${reason}`).slice(0, MAX_SHOWN_CHARS).trimEnd();
  throw new TunnelError(`the tunnel refused: HTTP status ${shown}`);
}

/** Reads up to the empty line, and not one byte more. */
async function readHead(proxy: ByteSource): Promise<string> {
  let head = "";
  for (;;) {
    const missing = HEAD_END.length - matchedEnd(head);
    if (missing === 0) return head;
    if (head.length > MAX_HEAD_BYTES) {
      throw new TunnelDownError(`The tunnel sent more than ${MAX_HEAD_BYTES} bytes of headers`);
    }
    head += String.fromCharCode(...await readExactly(proxy, missing));
    if (!"HTTP/1.".startsWith(head.slice(0, "HTTP/1.".length))) throw notHttp();
  }
}

/** How many characters of HEAD_END stand at the end of a text. */
function matchedEnd(text: string): number {
  let length = HEAD_END.length;
  while (!text.endsWith(HEAD_END.slice(0, length))) length--;
  return length;
}

function notHttp(): TunnelDownError {
  return new TunnelDownError(
    "The tunnel does not speak HTTP; correct the address or scheme of --via",
  );
}

/** User name and password in UTF-8 and base64. */
function encodeLogin({ username, password }: TunnelLogin): string {
  return new TextEncoder().encode(`${username}:${password}`).toBase64();
}
