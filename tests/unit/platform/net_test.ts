import { assertEquals, assertRejects } from "@std/assert";
import { accept, type TcpConnection } from "../../../src/platform/net.ts";

/** A listener with the given results, one after the other. */
function listenerOf(...results: (TcpConnection | Error)[]) {
  return {
    accept(): Promise<TcpConnection> {
      const result = results.shift()!;
      return result instanceof Error ? Promise.reject(result) : Promise.resolve(result);
    },
  };
}

const CONNECTION = {} as TcpConnection;

Deno.test("a connection that was reset before it is accepted is skipped", async () => {
  const { NotConnected, ConnectionAborted, ConnectionReset } = Deno.errors;
  const resets = [NotConnected, ConnectionAborted, ConnectionReset].map((Type) => new Type());
  assertEquals(await accept(listenerOf(...resets, CONNECTION)), CONNECTION);
});

Deno.test("the end of a listener, and other errors, are not skipped", async () => {
  const { BadResource, Interrupted } = Deno.errors;
  for (const error of [new BadResource(), new Interrupted(), new Error("Too many open files")]) {
    const thrown = await assertRejects(() => accept(listenerOf(error, CONNECTION)));
    assertEquals(thrown, error);
  }
});
