import { assertEquals, assertRejects } from "@std/assert";
import { UnmappedError } from "../../../src/nat/nat_table.ts";
import { Line, type LinePort } from "../../../src/workers/channel.ts";

type Asked = {
  twice: { said: number; answer: number };
  slow: { said: undefined; answer: string };
  fail: { said: "as ever" | "unmapped"; answer: void };
  note: { said: string; answer: void };
};

/** Two ports that lead to each other, as those of a worker do. */
function connected(): [LinePort, LinePort] {
  const { port1, port2 } = new MessageChannel();
  return [port1, port2];
}

/** A line, its other end, and what that has heard; gone when the block ends. */
function setUp() {
  const [here, there] = connected();
  const heard: string[] = [];
  const slow = Promise.withResolvers<string>();
  const line = new Line<Asked, Record<never, never>>(here, {});
  new Line<Record<never, never>, Asked>(there, {
    twice: (number) => 2 * number,
    slow: () => slow.promise,
    fail: (how) => {
      if (how === "unmapped") throw new UnmappedError("No port is left");
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
  const asked = [line.ask("slow", undefined), line.ask("twice", 4), line.ask("twice", 5)];
  assertEquals(await Promise.all(asked.slice(1)), [8, 10]);
  slow.resolve("at last");
  assertEquals(await asked[0], "at last");
});

Deno.test("what was told before a question has been heard when its answer is there", async () => {
  using scene = setUp();
  const { line, heard } = scene;
  line.tell("note", "first");
  line.tell("note", "second");
  await line.ask("twice", 1);
  assertEquals(heard, ["first", "second"]);
});

Deno.test("an error on the other side is the answer, and its kind is kept", async () => {
  using scene = setUp();
  const { line } = scene;
  await assertRejects(() => line.ask("fail", "unmapped"), UnmappedError, "No port is left");
  await assertRejects(() => line.ask("fail", "as ever"), Error, "Something else");
});

Deno.test("nobody waits for a thread that is gone", async () => {
  using scene = setUp();
  const { line } = scene;
  const asked = line.ask("slow", undefined);
  const gone = new Error("The thread is gone");
  line.lose(gone);
  await assertRejects(() => asked, Error, "The thread is gone");
  await assertRejects(() => line.ask("twice", 1), Error, "The thread is gone");
  line.tell("note", "unheard");
  assertEquals(scene.heard, []);
});
