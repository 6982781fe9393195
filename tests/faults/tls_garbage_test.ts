import { assert, assertEquals, assertMatch } from "@std/assert";
import { Logged } from "../support/logged.ts";
import { PING } from "../support/scripted_node.ts";
import { TlsScene } from "../support/tls_scene.ts";
import { until } from "../support/until.ts";

/** Each thread throttles its own log. */
const ONE_THREAD = { threads: 1 };

const TIMES = 20;

const PLAIN = /: The client does not speak TLS: set tls in the client$/;

const VERSION =
  /: The client has no version or cipher of TLS in common with the proxy \(.*\): update the client, or lower --tls-min-version$/;

const BROKEN = /: The TLS handshake with the client failed: .+$/;

/** A ClientHello of a version, with one cipher suite. */
function clientHello(version: string): string {
  const body = `${version}${"r".repeat(32)}\0\0\x02\0\x2f\x01\0`;
  const message = `\x01\0\0${String.fromCharCode(body.length)}${body}`;
  return `\x16${version}\0${String.fromCharCode(message.length)}${message}`;
}

/** What clients say instead of a handshake, and the end of the line in the log. */
const GARBAGE: [what: string, bytes: string, logged: RegExp][] = [
  ["plain RESP", PING, PLAIN],
  ["an inline request", "PING\r\n", PLAIN],
  ["HTTP", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", PLAIN],
  ["zeros", "\0".repeat(100), PLAIN],
  ["a hello of SSL 2.0", "\x80\x2e\x01\0\x02\0\x15\0\0\0\x10\x01\0\x80", PLAIN],
  ["a hello of SSL 3.0", clientHello("\x03\0"), VERSION],
  ["a hello of TLS 1.0", clientHello("\x03\x01"), VERSION],
  ["a record that is too long", "\x16\x03\x01\xff\xffgarbage", BROKEN],
  ["a record without a meaning", "\x16\x03\x01\0\x05abcde", BROKEN],
];

for (const [what, bytes, line] of GARBAGE) {
  Deno.test(`a client that says ${what} on a TLS port is closed, and logged once`, async () => {
    using logged = new Logged();
    await using scene = await TlsScene.start(ONE_THREAD);
    for (let round = 0; round < TIMES; round++) {
      using client = await scene.connectTcp();
      await client.send(bytes);
      const answer = await client.readToEnd();
      // At the most an alert, see RFC 8446, section 6.
      assert(answer === "" || (answer.startsWith("\x15\x03") && answer.length === 7), answer);
    }
    await until("they are forgotten", () => scene.proxy.proxy.sessionCount === 0);
    const lines = logged.lines.filter((line) => !line.startsWith("info"));
    assertEquals(lines.length, 1, lines.join("\n"));
    assertMatch(lines[0]!, line);
    assertMatch(lines[0]!, /^warning Closing client 1 at 127\.0\.0\.1:\d+ of node /);
    assertEquals(scene.node.peers.length, 0);
    const pair = await scene.open();
    await scene.assertServes(pair);
    await scene.assertNothingLeft(pair);
  });
}

Deno.test("garbage after the handshake ends the session, and is logged", async (t) => {
  for (const side of ["client", "node"] as const) {
    await t.step(`of a ${side}`, async () => {
      using logged = new Logged();
      await using scene = await TlsScene.start(ONE_THREAD);
      const { client, peer } = await scene.open(PING);
      await scene.tcp(side).write(new TextEncoder().encode("-ERR this is not TLS\r\n"));
      assertEquals([await peer.readToEnd(), await client.readToEnd()], ["", ""]);
      await until("it is forgotten", () => scene.proxy.proxy.sessionCount === 0);
      const lines = logged.lines.filter((line) => !line.startsWith("info"));
      assertMatch(lines.join("\n"), new RegExp(`^warning Closing .*: The ${side} broke TLS: .+$`));
    });
  }
});
