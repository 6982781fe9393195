import { assertEquals, assertRejects } from "@std/assert";
import { NoPublicPortError } from "../../../src/nat/no_public_port_error.ts";
import { Channel, type ChannelPort } from "../../../src/workers/channel.ts";

type Requests = {
  twice: { payload: number; reply: number };
  slow: { payload: undefined; reply: string };
  fail: { payload: "as ever" | "no port"; reply: void };
  note: { payload: string; reply: void };
};

/** Two connected ports, like those of a worker. */
function connected(): [ChannelPort, ChannelPort] {
  const { port1, port2 } = new MessageChannel();
  return [port1, port2];
}

/** A channel, its other end, and what that has received; closed when the block ends. */
function setUp() {
  const [here, there] = connected();
  const received: string[] = [];
  const slow = Promise.withResolvers<string>();
  const channel = new Channel<Requests, Record<never, never>>(here, {});
  new Channel<Record<never, never>, Requests>(there, {
    twice: (number) => 2 * number,
    slow: () => slow.promise,
    fail: (how) => {
      if (how === "no port") throw new NoPublicPortError("No port is left");
      throw new TypeError("Something else");
    },
    note: (text) => {
      received.push(text);
    },
  });
  const close = () => {
    for (const port of [here, there]) (port as unknown as MessagePort).close();
  };
  return { channel, received, slow, [Symbol.dispose]: close };
}

Deno.test("each request gets its own reply, in any order", async () => {
  using scene = setUp();
  const { channel, slow } = scene;
  const pending = [
    channel.request("slow", undefined),
    channel.request("twice", 4),
    channel.request("twice", 5),
  ];
  assertEquals(await Promise.all(pending.slice(1)), [8, 10]);
  slow.resolve("at last");
  assertEquals(await pending[0], "at last");
});

Deno.test("a notification is handled before the reply to a later request arrives", async () => {
  using scene = setUp();
  const { channel, received } = scene;
  channel.notify("note", "first");
  channel.notify("note", "second");
  await channel.request("twice", 1);
  assertEquals(received, ["first", "second"]);
});

Deno.test("an error of the handler rejects the request, and keeps its kind", async () => {
  using scene = setUp();
  const { channel } = scene;
  await assertRejects(
    () => channel.request("fail", "no port"),
    NoPublicPortError,
    "No port is left",
  );
  await assertRejects(() => channel.request("fail", "as ever"), Error, "Something else");
});

Deno.test("requests fail once the channel is closed", async () => {
  using scene = setUp();
  const { channel } = scene;
  const pending = channel.request("slow", undefined);
  const gone = new Error("The thread is gone");
  channel.close(gone);
  await assertRejects(() => pending, Error, "The thread is gone");
  await assertRejects(() => channel.request("twice", 1), Error, "The thread is gone");
  channel.notify("note", "not sent");
  assertEquals(scene.received, []);
});
