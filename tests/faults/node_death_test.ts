import { assertEquals } from "@std/assert";
import { PING, PONG, Scene, SLOTS, slotsOf } from "../support/scripted_node.ts";

Deno.test("a client gets all bytes of a node that dies, except for half an address", async (t) => {
  await using scene = await Scene.start();
  const { node } = scene;
  const slots = slotsOf(node);
  const redirect = `-MOVED 1 ${node.address}\r\n`;
  /** The request, the frame in which the node dies, and whether its parts pass. */
  const deaths: [what: string, asked: string, frame: string, passes: boolean][] = [
    ["a value", PING, "$26\r\nabcdefghijklmnopqrstuvwxyz\r\n", true],
    ["an array", PING, "*3\r\n:1\r\n$3\r\nabc\r\n_\r\n", true],
    ["CLUSTER SLOTS", SLOTS, slots, false],
    ["a redirect", PING, redirect, false],
    ["a push that names a node", PING, `>3\r\n$6\r\nMOVING\r\n:1\r\n${redirect.slice(1)}`, false],
  ];
  for (const [what, asked, frame, passes] of deaths) {
    await t.step(what, async () => {
      for (let cut = 1; cut < frame.length - 1; cut++) {
        const { client, peer } = await scene.open(PING + asked, PONG + frame.slice(0, cut));
        peer.close();
        const got = await client.readToEnd();
        const message = `the node sent ${JSON.stringify(frame.slice(0, cut))}`;
        assertEquals(got, PONG + (passes ? frame.slice(0, cut) : ""), message);
        client.close();
      }
    });
  }
  await scene.assertNothingLeft();
});
