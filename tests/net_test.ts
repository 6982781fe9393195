import { assert, assertEquals } from "@std/assert";
import { isIpAddress } from "../src/address.ts";
import { resolve } from "../src/net.ts";

Deno.test("a name has the addresses that the system finds", async () => {
  const found = await resolve("localhost");
  assert(found.includes("127.0.0.1") || found.includes("::1"), found.join(" "));
  assert(found.every(isIpAddress), found.join(" "));
  assertEquals(await resolve("127.0.0.9"), ["127.0.0.9"]);
});

Deno.test("a name that cannot be one has no address", async () => {
  assertEquals(await resolve("a".repeat(300)), []);
});
