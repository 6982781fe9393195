import { rewriteClients } from "../../../../src/rewrite/replies/client_list.ts";
import { assertRewritten } from "../../../support/public_addresses.ts";

const TAIL = "fd=8 name= age=1 idle=0 flags=N db=0 sub=0 cmd=client|list user=default resp=2";
const CLIENT = "addr={10.0.0.99:40001→198.51.100.7:50001}";

/** Each case is one line, without its end. */
const LINES: Record<string, string> = {
  "a client of the proxy": `id=3 ${CLIENT} laddr={10.0.0.1:7000→HOST:8000} ${TAIL}`,
  "an IPv6 client of the proxy":
    `id=3 addr={[fd00::99]:40002→[2001:db8::7]:50002} laddr={[fd00::3]:7002→HOST:8000} ${TAIL}`,
  "another peer": `id=3 addr={10.0.0.2→HOST}:40003 laddr={10.0.0.1:7000→HOST:8000} ${TAIL}`,
  "another IPv6 peer": `id=3 addr={[fd00::4]→HOST}:40003 laddr={[::1]:7000→HOST:8000} ${TAIL}`,
  "a server before 6.2, which has no laddr": `id=3 ${CLIENT} ${TAIL}`,
  "fields in another order": `laddr={10.0.0.1:7000→HOST:8000} ${TAIL} ${CLIENT}`,
  "a client through a Unix socket": `id=3 addr=/run/redis.sock:0 laddr=/run/redis.sock:0 ${TAIL}`,
  "other fields that hold an address": `id=3 ${CLIENT} laddr={10.0.0.1:7000→HOST:8000} ` +
    "name=addr=10.0.0.99:40001 xaddr=10.0.0.1:7000",
};

for (const [name, line] of Object.entries(LINES)) {
  Deno.test(`CLIENT LIST and INFO with ${name} show public addresses`, () => {
    for (const start of ["'", "='"]) {
      for (const text of [line, `${line}\n`, `${line}\n${line}\n`]) {
        assertRewritten(rewriteClients, `${start}${text}'`);
      }
    }
  });
}

Deno.test("CLIENT LIST has an IPv6 public host in brackets", () => {
  const host = "2001:db8::1";
  const line = `addr={10.0.0.2→[${host}]}:4 laddr={10.0.0.1:7000→[${host}]:8000}\n`;
  assertRewritten(rewriteClients, `'${line}'`, host);
});

for (const text of ["NIL", "''", "='\n'", "QUEUED", "(-ERR Invalid client ID)"]) {
  Deno.test(`CLIENT LIST passes ${JSON.stringify(text)} unchanged`, () => {
    assertRewritten(rewriteClients, text);
  });
}
