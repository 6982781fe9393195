/**
 * The other tests of TLS over a connection, with the implementation that serves where the runtime
 * has no engine.
 */
import { assertEquals } from "@std/assert";
import { engineClass } from "../../../src/tls/engine.ts";

const engine = engineClass();
const { receive } = engine!.prototype;
Reflect.deleteProperty(engine!.prototype, "receive");
const found = engineClass();
// It looks for the engine once.
await import("../../../src/tls/tls_connection.ts");
engine!.prototype.receive = receive;

Deno.test("an engine that lacks a method is not used", () => assertEquals(found, undefined));

for (const name of ["handshake", "stream", "close", "peers", "key_proof", "default_roots"]) {
  await import(`./${name}_test.ts`);
}
