import { assertEquals } from "@std/assert";
import { fromLatin1 } from "../../src/resp/bytes.ts";
import { bulk } from "../support/frames.ts";
import { SLOTS, slotsOf } from "../support/scripted_node.ts";
import { byteByByte, TlsScene } from "../support/tls_scene.ts";
import { Openssl } from "../support/openssl.ts";
import { TemporaryDirectory } from "../support/temporary.ts";
import { until } from "../support/until.ts";
import { wire, type WireClient } from "../support/wire.ts";

const REQUESTS = wire("SET", "k", "abc") + SLOTS;

/** Sends each byte in a record of its own. */
async function sendSingly(client: WireClient, text: string): Promise<void> {
  for (const byte of fromLatin1(text)) await client.send(new Uint8Array([byte]));
}

Deno.test("records of one byte each pass, both ways", async () => {
  await using scene = await TlsScene.start();
  const mapped = { host: "nat.example", port: scene.port, id: scene.node.id };
  const { client, peer } = await scene.open();
  const requests = REQUESTS.repeat(10);
  const sending = sendSingly(client, requests);
  assertEquals(await peer.readUntil(requests), requests);
  await sending;
  const answering = sendSingly(peer, `+OK\r\n${slotsOf(scene.node)}`.repeat(10));
  const replies = `+OK\r\n${slotsOf(mapped)}`.repeat(10);
  assertEquals(await client.readUntil(replies), replies);
  await answering;
  await scene.assertNothingLeft({ client, peer });
});

Deno.test("records that arrive byte by byte pass, and so does the handshake", async () => {
  await using scene = await TlsScene.start({}, byteByByte);
  const client = await scene.connect(byteByByte);
  const peer = await scene.node.accept();
  const pair = { client, peer };
  await scene.assertServes(pair);
  const requests = wire("SET", "k", "abc") + wire("GET", "k");
  await client.send(requests);
  assertEquals(await peer.readUntil(requests), requests);
  const reply = `+OK\r\n${bulk("x".repeat(1000))}`;
  await peer.send(reply);
  assertEquals(await client.readUntil(reply), reply);
  await scene.assertNothingLeft(pair);
});

Deno.test("a side that is reset in the middle of a record ends the session", async (t) => {
  for (const side of ["client", "peer"] as const) {
    await t.step(side, async () => {
      await using scene = await TlsScene.start();
      const pair = await scene.open();
      await scene.assertServes(pair);
      const tcp = scene.tcp(side === "peer" ? "node" : "client");
      await tcp.write(fromLatin1("\x17\x03\x03\x01\0abc"));
      tcp.reset();
      // The record has 256 bytes.
      const other = pair[side === "client" ? "peer" : "client"];
      assertEquals(await other.readToEnd(), "");
      await until("it is forgotten", () => scene.proxy.proxy.sessionCount === 0);
    });
  }
});

Deno.test("a client may update its keys, and ask for new ones", async () => {
  await using directory = await TemporaryDirectory.create();
  await using scene = await TlsScene.start();
  const address = { host: scene.node.host, port: scene.port };
  await using openssl = Openssl.client(address, ["-tls1_3"], directory.at("."));
  const peer = await scene.node.accept();
  for (const [index, command] of ["k", "K", "k", "K"].entries()) {
    await openssl.send(command);
    await openssl.saw(new RegExp(`(KEYUPDATE[^]*){${index + 1}}`));
    await openssl.send(`ECHO ${command}`);
    const request = `ECHO ${command}\n`;
    assertEquals(await peer.readUntil(request), request);
    const before = openssl.output.length;
    await peer.send("+an answer\r\n");
    await until("it has come", () => openssl.output.slice(before).includes("an answer"));
  }
});
