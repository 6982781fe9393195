import { assertEquals, assertRejects } from "@std/assert";
import { NoPublicPortError } from "../../../src/nat/nat_table.ts";
import { Channel, type ChannelPort } from "../../../src/workers/channel.ts";

type Asked = {
  twice: { said: number; answer: number };
  slow: { said: undefined; answer: string };
  fail: { said: "as ever" | "unmapped"; answer: void };
  note: { said: string; answer: void };
};

/** Two ports that lead to each other, as those of a worker do. */
function connected(): [ChannelPort, ChannelPort] {
  const { port1, port2 } = new MessageChannel();
  return [port1, port2];
}

/** A line, its other end, and what that has heard; gone when the block ends. */
function setUp() {
  const [here, there] = connected();
  const heard: string[] = [];
  const slow = Promise.withResolvers<string>();
  const line = new Channel<Asked, Record<never, never>>(here, {});
  new Channel<Record<never, never>, Asked>(there, {
    twice: (number) => 2 * number,
    slow: () => slow.promise,
    fail: (how) => {
      if (how === "unmapped") throw new NoPublicPortError("No port is left");
      throw new TypeError("Something else");
    },
    note: (text) => {
      heard.push(text);
    },
  });
  const close = () => {
    for (const port of [here, there]) (port as unknown as MessagePort).close();
  };
  return { line, heard, slow, [Symbol.dispose]: close };
}

Deno.test("each question gets its own answer, in whatever order they come", async () => {
  using scene = setUp();
  const { line, slow } = scene;
  const asked = [
    line.request("slow", undefined),
    line.request("twice", 4),
    line.request("twice", 5),
  ];
  assertEquals(await Promise.all(asked.slice(1)), [8, 10]);
  slow.resolve("at last");
  assertEquals(await asked[0], "at last");
});

Deno.test("what was told before a question has been heard when its answer is there", async () => {
  using scene = setUp();
  const { line, heard } = scene;
  line.notify("note", "first");
  line.notify("note", "second");
  await line.request("twice", 1);
  assertEquals(heard, ["first", "second"]);
});

Deno.test("an error on the other side is the answer, and its kind is kept", async () => {
  using scene = setUp();
  const { line } = scene;
  await assertRejects(() => line.request("fail", "unmapped"), NoPublicPortError, "No port is left");
  await assertRejects(() => line.request("fail", "as ever"), Error, "Something else");
});

Deno.test("nobody waits for a thread that is gone", async () => {
  using scene = setUp();
  const { line } = scene;
  const asked = line.request("slow", undefined);
  const gone = new Error("The thread is gone");
  line.close(gone);
  await assertRejects(() => asked, Error, "The thread is gone");
  await assertRejects(() => line.request("twice", 1), Error, "The thread is gone");
  line.notify("note", "unheard");
  assertEquals(scene.heard, []);
});
