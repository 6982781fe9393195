import { assert, assertEquals, assertRejects } from "@std/assert";
import { isIpAddress } from "../../src/platform/address.ts";
import { dial, isGone, resolve } from "../../src/platform/net.ts";
import { within } from "../support/until.ts";

Deno.test("a host name resolves as in getaddrinfo", async () => {
  const found = await resolve("localhost");
  assert(found.includes("127.0.0.1") || found.includes("::1"), found.join(" "));
  assert(found.every(isIpAddress), found.join(" "));
  assertEquals(await resolve("127.0.0.9"), ["127.0.0.9"]);
});

Deno.test("an invalid host name has no address", async () => {
  assertEquals(await resolve("a".repeat(300)), []);
});

Deno.test("isGone covers a close by either side, an unreachable host and a timeout", () => {
  const { errors } = Deno;
  const ends = {
    "reset by the peer": errors.ConnectionReset,
    "aborted by this machine": errors.ConnectionAborted,
    "written to after the peer closed it": errors.BrokenPipe,
    "shut by both": errors.NotConnected,
    "closed by the program": errors.BadResource,
    "closed while something waited": errors.Interrupted,
    "silent for all that the system probes": errors.TimedOut,
    "cut short": errors.UnexpectedEof,
  };
  for (const [how, End] of Object.entries(ends)) assert(isGone(new End("x")), how);
  for (const Other of [errors.AddrInUse, errors.ConnectionRefused, TypeError]) {
    assert(!isGone(new Other("x")), Other.name);
  }
});

Deno.test("a connection that is established as the attempt is aborted is closed", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  for (const at of ["by the time", "by its owner"] as const) {
    const accepted = listener.accept();
    const attempt = new AbortController();
    const timeoutMs = at === "by the time" ? 20 : 60_000;
    const dialing = dial({ host: "127.0.0.1", port }, { timeoutMs, attempt });
    if (at === "by its owner") setTimeout(() => attempt.abort(new Error("Given up")), 20);
    // The program stands still, so that it hears of the connection and of its end in one turn.
    const goesOnMs = performance.now() + 100;
    while (performance.now() < goesOnMs);
    await assertRejects(() => dialing, Error, at === "by the time" ? "20 ms" : "Given up");
    using peer = await accepted;
    const read = within("see the end", peer.read(new Uint8Array(1)), 5000);
    assertEquals(await read, null, `given up ${at}`);
  }
});
