import { assertEquals, assertRejects } from "@std/assert";
import { parseAddressRange } from "../../../src/platform/address_range.ts";
import { parseHostPort } from "../../../src/platform/address.ts";
import { LogThrottle } from "../../../src/platform/log_throttle.ts";
import type { Connection } from "../../../src/platform/net.ts";
import { Balancers, HEADER_TIMEOUT_MS } from "../../../src/proxy/balancers.ts";
import { ProxyHeaderError } from "../../../src/proxy/proxy_header.ts";
import { toLatin1 } from "../../../src/resp/bytes.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { Feed } from "../../support/feed.ts";
import { Logged } from "../../support/logged.ts";
import { v2Header } from "../../support/proxy_header.ts";

const BALANCER = "10.0.0.7:40000";
const PROXY = "10.0.0.1:8000";

/** A connection that the proxy has accepted. */
class Accepted extends Feed implements Connection {
  readonly localAddr: Deno.NetAddr;
  readonly remoteAddr: Deno.NetAddr;
  isClosed = false;

  constructor(received: string, { most = Infinity, from = BALANCER, at = PROXY } = {}) {
    super(most);
    this.localAddr = netAddress(at);
    this.remoteAddr = netAddress(from);
    this.give(received);
  }

  override async read(buffer: Uint8Array): Promise<number | null> {
    const read = await super.read(buffer);
    if (this.isClosed) throw new Deno.errors.BadResource("closed");
    return read;
  }

  write(bytes: Uint8Array): Promise<number> {
    return Promise.resolve(bytes.length);
  }

  closeWrite(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    this.isClosed = true;
    this.end();
  }
}

function netAddress(text: string): Deno.NetAddr {
  const { host, port } = parseHostPort(text);
  return { transport: "tcp", hostname: host, port };
}

function balancers(...from: string[]): Balancers {
  return new Balancers(
    { versions: "any", from: from.map(parseAddressRange) },
    new LogThrottle(),
  );
}

const OF_10 = balancers("10.0.0.0/8", "2001:db8::/32");

const CLIENT = "192.0.2.7:56324";
const REACHED = "198.51.100.1:8001";
const V1 = "PROXY TCP4 192.0.2.7 198.51.100.1 56324 8001\r\n";
const V2 = v2Header(0x21, 0x11, "\xc0\0\x02\x07\xc6\x33\x64\x01\xdc\x04\x1f\x41");
const LOCAL = v2Header(0x20, 0, "");

/** Everything that follows the header, up to the end. */
async function rest(connection: Connection, size: number): Promise<string> {
  const buffer = new Uint8Array(size);
  let text = "";
  for (let read; (read = await connection.read(buffer)) !== null;) {
    text += toLatin1(buffer.subarray(0, read));
  }
  return text;
}

const REQUESTS = "*1\r\n$4\r\nPING\r\n".repeat(60);

Deno.test("what follows a header is read without loss, however it arrives", async () => {
  const extended = v2Header(0x21, 0x11, V2.slice(16) + "\x04\x02\x58".padEnd(603, "\0"));
  const longest = v2Header(0x20, 0, "\r\n".repeat(32767));
  for (const header of [V1, V2, LOCAL, "PROXY UNKNOWN\r\n", extended, longest]) {
    for (const next of ["", "*", "\x16\x03", REQUESTS]) {
      for (const most of [1, 2, 3, 7, 16, 107, 511, 512, 513, Infinity]) {
        // Byte by byte takes seconds there.
        if (header === longest && most < 107) continue;
        const accepted = new Accepted(header + next, { most });
        accepted.end();
        const connection = await OF_10.accept(accepted);
        assertEquals(await rest(connection, Math.min(most, 600) % 5 + 1), next);
      }
    }
  }
});

Deno.test("a connection has the addresses of its header, or else its own", async () => {
  const cases: [header: string, client: string, reached: string][] = [
    [V1, CLIENT, REACHED],
    [V2, CLIENT, REACHED],
    [LOCAL, BALANCER, PROXY],
    ["PROXY UNKNOWN\r\n", BALANCER, PROXY],
    ["PROXY TCP6 2001:db8::5 ::ffff:10.1.2.3 1 2\r\n", "[2001:db8::5]:1", "10.1.2.3:2"],
  ];
  for (const [header, client, reached] of cases) {
    const { localAddr, remoteAddr } = await OF_10.accept(new Accepted(header));
    assertEquals([remoteAddr, localAddr], [netAddress(client), netAddress(reached)]);
  }
});

Deno.test("only balancers and this machine may connect", () => {
  const cases: [from: string, at: string, isAdmitted: boolean][] = [
    ["10.255.255.255:1", PROXY, true],
    ["[::ffff:10.0.0.9]:1", "[::ffff:10.0.0.1]:1", true],
    ["[2001:db8:ffff::1]:1", "[2001:db8::1]:1", true],
    ["127.0.0.1:1", "127.0.0.1:1", true],
    ["[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:1", true],
    ["[::1]:1", "[::1]:1", true],
    ["192.0.2.1:5", "192.0.2.1:8000", true],
    ["192.0.2.1:5", "192.0.2.2:8000", false],
    ["11.0.0.1:1", PROXY, false],
    ["[::ffff:11.0.0.1]:1", "[::ffff:10.0.0.1]:1", false],
    ["[2001:db9::1]:1", "[2001:db8::1]:1", false],
  ];
  using logged = new Logged();
  for (const [from, at, isAdmitted] of cases) {
    assertEquals(OF_10.admits(new Accepted("", { from, at })), isAdmitted, from);
  }
  const elsewhere = ["192.0.2.1", "11.0.0.1", "2001:db9::1"];
  assertEquals(
    logged.lines,
    elsewhere.map((host) =>
      `warning Closing a connection from ${host}: it is in no range of --proxy-protocol-from`
    ),
  );
});

Deno.test("this machine may not name another client, unless it is a balancer", async () => {
  const here = { from: "127.0.0.1:1", at: "127.0.0.1:8000" };
  await assertRejects(
    () => OF_10.accept(new Accepted(V2, here)),
    ProxyHeaderError,
    "A PROXY header with addresses came from this machine, which is in no range of --proxy-pro",
  );
  const { remoteAddr } = await OF_10.accept(new Accepted(LOCAL, here));
  assertEquals(remoteAddr, netAddress(here.from));
  const named = await balancers("127.0.0.1").accept(new Accepted(V2, here));
  assertEquals(named.remoteAddr, netAddress(CLIENT));
});

Deno.test("a connection that ends within its header is lost, not refused", async () => {
  for (const header of [V1, V2, `${v2Header(0x20, 0, "12345678").slice(0, -1)}`]) {
    for (let length = 0; length < header.length; length++) {
      const accepted = new Accepted(header.slice(0, length));
      accepted.end();
      await assertRejects(() => OF_10.accept(accepted), Deno.errors.UnexpectedEof);
    }
  }
});

Deno.test("a header has ten seconds, whatever has come of it", async () => {
  const beginnings = [
    "",
    "P",
    V1.slice(0, -1),
    V2.slice(0, -1),
    v2Header(0x20, 0, "ab").slice(0, -1),
  ];
  for (const beginning of beginnings) {
    using clock = new FakeClock("setTimeout");
    const accepted = new Accepted(beginning);
    const result = OF_10.accept(accepted).then(() => "accepted", String);
    const [timer] = clock.timers;
    assertEquals([clock.timers.length, timer!.delayMs], [1, HEADER_TIMEOUT_MS]);
    assertEquals(accepted.isClosed, false);
    timer!.go();
    assertEquals(
      await result,
      "ProxyHeaderError: There was no complete PROXY header within 10000 ms",
    );
    assertEquals(accepted.isClosed, true);
  }
});

Deno.test("a header that comes just in time is refused with the closed connection", async () => {
  using clock = new FakeClock("setTimeout");
  const accepted = new Accepted("PROXY UNKNOWN\r");
  // A read that is done is not undone by the close.
  accepted.read = Feed.prototype.read;
  const result = OF_10.accept(accepted).then(() => "accepted", String);
  accepted.give("\n");
  clock.timers[0]!.go();
  assertEquals(
    await result,
    "ProxyHeaderError: There was no complete PROXY header within 10000 ms",
  );
});
