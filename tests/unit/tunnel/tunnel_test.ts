import { assertEquals, assertRejects } from "@std/assert";
import { openTunnel, type Tunnel } from "../../../src/tunnel/tunnel.ts";
import { TunnelError } from "../../../src/tunnel/tunnel_error.ts";
import { type HostPort, parseHostPort } from "../../../src/platform/address.ts";
import { fromLatin1, toLatin1 } from "../../../src/resp/bytes.ts";
import { Feed } from "../../support/feed.ts";

/** A name that the far end resolves. */
const NODE = "redis.internal:6379";

/** What the node sends right after the handshake; the handshake must leave it. */
const FIRST_BYTES = "+PONG\r\n";

const LOGIN = { username: "ann", password: "s:cret" };

/** A proxy that has given its replies in advance, and a record of what it was sent. */
class Replies extends Feed {
  sent = "";

  constructor(text: string, most: number) {
    super(most);
    this.give(text);
    this.end();
  }

  write(bytes: Uint8Array): Promise<number> {
    // Writes may be short.
    const part = bytes.subarray(0, 3);
    this.sent += toLatin1(part);
    return Promise.resolve(part.length);
  }
}

/** Opens a tunnel against given replies, which arrive whole, byte by byte and in other pieces. */
async function* everyOpening(
  tunnel: Pick<Tunnel, "protocol" | "login">,
  replies: string,
  address: HostPort = parseHostPort(NODE),
) {
  for (const most of [Infinity, 1, 2, 3, 5]) {
    const proxy = new Replies(replies, most);
    const opened = openTunnel(proxy, { ...tunnel, at: address }, address);
    yield { proxy, opened };
  }
}

const ipv4 = "\x01\x7f\0\0\x01\x1f\x90";
const socks = (login?: typeof LOGIN) => ({ protocol: "socks5", login }) as const;
const http = (login?: typeof LOGIN) => ({ protocol: "http", login }) as const;
const toName = `\x05\x01\0\x03\x0eredis.internal\x18\xeb`;

type Opening = [
  name: string,
  tunnel: Pick<Tunnel, "protocol" | "login">,
  replies: string,
  sent: string,
  address?: string,
];

const OPENINGS: readonly Opening[] = [
  ["SOCKS5 by name", socks(), `\x05\0\x05\0\0${ipv4}`, `\x05\x01\0${toName}`],
  [
    "SOCKS5 to an IPv4 address, bound to a name",
    socks(),
    "\x05\0\x05\0\0\x03\x03abc\0\0",
    "\x05\x01\0\x05\x01\0\x01\x0a\0\0\x09\x1b\x58",
    "10.0.0.9:7000",
  ],
  [
    "SOCKS5 to an IPv6 address, bound to one",
    socks(),
    `\x05\0\x05\0\0\x04${"\0".repeat(18)}`,
    `\x05\x01\0\x05\x01\0\x04\x20\x01\x0d\xb8${"\0".repeat(10)}\x12\x34\x1b\x58`,
    "[2001:db8::1234]:7000",
  ],
  [
    "SOCKS5 with a login",
    socks(LOGIN),
    `\x05\x02\x01\0\x05\0\0${ipv4}`,
    `\x05\x02\0\x02\x01\x03ann\x06s:cret${toName}`,
  ],
  [
    "SOCKS5 with a login that the proxy does not want",
    socks(LOGIN),
    `\x05\0\x05\0\0${ipv4}`,
    `\x05\x02\0\x02${toName}`,
  ],
  [
    "HTTP",
    http(),
    "HTTP/1.1 200 Connection established\r\n\r\n",
    `CONNECT ${NODE} HTTP/1.1\r\nHost: ${NODE}\r\n\r\n`,
  ],
  [
    "HTTP with headers, a login and an IPv6 address",
    http(LOGIN),
    "HTTP/1.0 200\r\nProxy-agent: tinyproxy/1.11.1\r\nX: \r\r\n\r\n",
    "CONNECT [::1]:7000 HTTP/1.1\r\nHost: [::1]:7000\r\n" +
    "Proxy-Authorization: Basic YW5uOnM6Y3JldA==\r\n\r\n",
    "[::1]:7000",
  ],
];

for (const [name, tunnel, replies, sent, address = NODE] of OPENINGS) {
  Deno.test(`a tunnel opens by ${name}`, async () => {
    const at = parseHostPort(address);
    for await (const { proxy, opened } of everyOpening(tunnel, replies + FIRST_BYTES, at)) {
      await opened;
      assertEquals(proxy.sent, sent);
      assertEquals(await rest(proxy), FIRST_BYTES);
    }
  });
}

/** Everything that the handshake has left. */
async function rest(proxy: Feed): Promise<string> {
  const buffer = new Uint8Array(64);
  let text = "";
  for (let read; (read = await proxy.read(buffer)) !== null;) {
    text += toLatin1(buffer.subarray(0, read));
  }
  return text;
}

const CLOSED = "the tunnel closed the connection without a reason; see its log";
const NOT_SOCKS = "The tunnel does not speak SOCKS5; correct the address or scheme of --via";
const NOT_HTTP = "The tunnel does not speak HTTP; correct the address or scheme of --via";
const BAD_LOGIN = "The tunnel refused the user name or the password; correct --via";

type Refusal = [tunnel: Pick<Tunnel, "protocol" | "login">, replies: string, reason: string];

const REFUSALS: readonly Refusal[] = [
  [socks(), "", CLOSED],
  [socks(), "\x05", CLOSED],
  [socks(), "\x05\0", CLOSED],
  [socks(), `\x05\0\x05\0\0${ipv4.slice(0, -1)}`, CLOSED],
  [socks(), "SSH-2.0-OpenSSH_9.2\r\n", NOT_SOCKS],
  [socks(), "\x04\x5a", NOT_SOCKS],
  [socks(), "\x05\0\x04\0\0\x01", NOT_SOCKS],
  [socks(), "\x05\x02", "The tunnel chose SOCKS5 method 2, which was not offered"],
  [
    socks(),
    "\x05\xff",
    "The tunnel requires a login; set --via=socks5://user:password@host:port",
  ],
  [socks(LOGIN), "\x05\xff", "The tunnel accepts no password; change its configuration"],
  [socks(LOGIN), "\x05\x02\x01\x01", BAD_LOGIN],
  [socks(), "\x05\0\x05\x02\0\x01", "the tunnel refused: its rules do not allow the connection"],
  [
    socks(),
    "\x05\0\x05\x04\0\x01",
    "the tunnel refused: host unreachable, or its name does not resolve",
  ],
  [socks(), "\x05\0\x05\x05\0\x01", "the tunnel refused: connection refused"],
  [socks(), "\x05\0\x05\x63\0\x01", "the tunnel refused: SOCKS5 code 99"],
  [socks(), "\x05\0\x05\0\0\x02", "The tunnel sent an address of the unknown type 2"],
  [http(), "", CLOSED],
  [http(), "HTTP/1.1 200 OK\r\nServer: x\r\n", CLOSED],
  [http(), "-ERR unknown command 'CONNECT'\r\n", NOT_HTTP],
  [http(), "\x05\xff\0\0", NOT_HTTP],
  [http(), "HTTP/1.1 twohundred\r\n\r\n", NOT_HTTP],
  [
    http(),
    "HTTP/1.1 403 Filtered\x1b[2J\r\n\r\n",
    "the tunnel refused: HTTP status 403 Filtered\\u001b[2J",
  ],
  [
    http(),
    "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
    "The tunnel requires a login; set --via=http://user:password@host:port",
  ],
  [http(LOGIN), "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", BAD_LOGIN],
  [
    http(),
    `HTTP/1.1 200 OK\r\n${"X: y\r\n".repeat(3000)}\r\n`,
    "The tunnel sent more than 16384 bytes of headers",
  ],
];

for (const [tunnel, replies, reason] of REFUSALS) {
  const shown = JSON.stringify(replies.slice(0, 40));
  Deno.test(`a ${tunnel.protocol} tunnel that answers ${shown} fails: ${reason}`, async () => {
    for await (const { opened } of everyOpening(tunnel, replies)) {
      assertEquals((await assertRejects(() => opened, TunnelError)).message, reason);
    }
  });
}

Deno.test("SOCKS5 refuses a name of more than 255 bytes", async () => {
  const address = { host: "x".repeat(256), port: 1 };
  const proxy = new Replies("\x05\0", 1);
  const opened = openTunnel(proxy, { ...socks(), at: address }, address);
  await assertRejects(
    () => opened,
    TunnelError,
    "SOCKS5 cannot send a text of more than 255 bytes",
  );
  assertEquals(fromLatin1(proxy.sent).length, 3);
});
