import { assert, assertEquals, assertRejects } from "@std/assert";
import { TLS } from "./tls.ts";
import type { WireClient } from "./wire.ts";

/** What a client gets that is one too many, without TLS. */
export const REFUSAL = "-ERR max number of clients reached\r\n";

/** Checks that a client is refused because there are too many: with TLS, before the handshake. */
export async function assertTooMany(connecting: Promise<WireClient>): Promise<void> {
  if (TLS.clients) {
    const error = await assertRejects(() => connecting);
    const { ConnectionReset, UnexpectedEof } = Deno.errors;
    assert(error instanceof UnexpectedEof || error instanceof ConnectionReset, `${error}`);
    return;
  }
  using late = await connecting;
  assertEquals(await late.readToEnd(), REFUSAL);
}
