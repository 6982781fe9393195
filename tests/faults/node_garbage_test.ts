import { assert, assertEquals, assertMatch } from "@std/assert";
import { Logged } from "../support/logged.ts";
import { PING, PONG, Scene, SLOTS } from "../support/scripted_node.ts";

/**
 * The requests, the bytes of the node, the bytes that the client gets, and the reason in the log, if
 * it was not logged before.
 */
const GARBAGE: [what: string, asked: string, sent: string, got: string, reason: string | null][] = [
  ["HTTP", PING, "HTTP/1.1 400 Bad Request\r\n\r\n", "", "Expected a RESP value, got 'H'"],
  ["zeros", PING, "\0\0\0\0", "", "Expected a RESP value, got byte 0x00"],
  ["a length in words", PING, "$five\r\n", "$", "Unexpected 'f' in the header of a '$' value"],
  ["a header of nothing", PING, "*\r\n", "*\r", "A '*' value has no length"],
  ["TLS", PING, "\x15\x03\x03\0\x02\x02\x28", "", "Expected a RESP value, got byte 0x15"],
  [
    "garbage behind a reply",
    PING + PING,
    `${PONG}garbage\r\n`,
    PONG,
    "Expected a RESP value, got 'g'",
  ],
  [
    "garbage behind replies of which more are due",
    PING.repeat(5),
    `${PONG}$3\r\nabc\r\n\x01`,
    `${PONG}$3\r\nabc\r\n`,
    "Expected a RESP value, got byte 0x01",
  ],
  [
    "garbage in the middle of a reply",
    PING,
    "*2\r\n$3\r\nabc\r\n$x\r\n",
    "*2\r\n$3\r\nabc\r\n$",
    "Unexpected 'x' in the header of a '$' value",
  ],
  [
    "garbage behind a header too long to count",
    PING,
    "$99999999999999999999\r\n",
    "$99999999999999999999\r",
    "A '$' value has a length above 2^53",
  ],
  ["a reply to nothing", "", PONG, "", "The node sent a reply to no request"],
  ["a reply too many", PING, PONG + PONG, PONG, null],
  [
    "garbage where an address was asked for",
    PING + SLOTS,
    `${PONG}*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$9\r\n127.0.0.1\r\n?\r\n`,
    PONG,
    "Expected a RESP value, got '?'",
  ],
];

Deno.test("garbage from a node ends only its session, with one line of the log", async (t) => {
  using logged = new Logged();
  // Each thread throttles its own log.
  await using scene = await Scene.start({ threads: 1 });
  const other = await scene.open();
  let said = logged.lines.length;
  for (const [what, asked, sent, got, reason] of GARBAGE) {
    await t.step(what, async () => {
      const { client, peer } = await scene.open(asked, sent);
      assertEquals(await client.readToEnd(), got);
      assertEquals(await peer.readToEnd(), "");
      await scene.assertServes(other);
      if (reason === null) {
        assertEquals(logged.lines.slice(said), []);
        return;
      }
      const lines = (await logged.untilLines(said + 1)).slice(said);
      said = logged.lines.length;
      assertEquals(lines.length, 1, lines.join("\n"));
      const { address } = scene.node;
      assertMatch(
        lines[0]!,
        new RegExp(`^warning Closing client \\d+ at \\S+: .* node ${address}: `),
      );
      assert(lines[0]!.includes(reason), lines[0]);
    });
  }
  await scene.assertNothingLeft(other);
});
