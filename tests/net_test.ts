import { assert, assertEquals } from "@std/assert";
import { isIpAddress } from "../src/address.ts";
import { isGone, resolve } from "../src/net.ts";

Deno.test("a name has the addresses that the system finds", async () => {
  const found = await resolve("localhost");
  assert(found.includes("127.0.0.1") || found.includes("::1"), found.join(" "));
  assert(found.every(isIpAddress), found.join(" "));
  assertEquals(await resolve("127.0.0.9"), ["127.0.0.9"]);
});

Deno.test("a name that cannot be one has no address", async () => {
  assertEquals(await resolve("a".repeat(300)), []);
});

Deno.test("a connection is gone by either side's doing, by a machine's and by that of the way", () => {
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
