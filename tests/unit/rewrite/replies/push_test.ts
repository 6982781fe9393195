import { assertEquals } from "@std/assert";
import { isAddressPush, rewritePush } from "../../../../src/rewrite/replies/push.ts";
import { assertRewritten } from "../../../support/public_addresses.ts";

const PUSHES: Record<string, string> = {
  "MOVING to an IP": ">['MOVING' :1 :15 {10.0.0.2:7001→HOST:8001}]",
  "MOVING to a hostname, in simple strings": ">[+MOVING :1 :15 +{node-b.internal:7001→HOST:8001}]",
  "MOVING to an IPv6 address in brackets": ">['MOVING' :1 :15 {'[fd00::3]:7002'→HOST:8002}]",
  "MOVING to an unknown node": ">['MOVING' :1 :15 NULL]",
  "MOVING to an unknown node, with a null of RESP2": ">['MOVING' :1 :15 NIL]",
  "SMIGRATED with triplets": `>['SMIGRATED' :7001 [
    [{10.0.0.1:7000→HOST:8000} {10.0.0.2:7001→HOST:8001} 123,456,789-1000]
    [{10.0.0.1:7000→HOST:8000} {'[fd00::3]:7002'→HOST:8002} 7000-7001]]]`,
  "SMIGRATED with triplets of simple strings":
    ">[+SMIGRATED :1 [[+{10.0.0.1:7000→HOST:8000} +{node-b.internal:7001→HOST:8001} +5]]]",
  "SMIGRATED with pairs": ">['SMIGRATED' :1 [[{10.0.0.2:7001→HOST:8001} 1,5-9]]]",
  "SMIGRATED in flat form": ">['SMIGRATED' :1 {10.0.0.2:7001→HOST:8001} 1,5-9]",
  "an empty SMIGRATED": ">['SMIGRATED' :1 []]",
};

for (const [name, text] of Object.entries(PUSHES)) {
  Deno.test(`${name} is rewritten`, () => {
    assertRewritten(rewritePush, text);
  });
}

Deno.test("a push has an IPv6 public host in brackets", () => {
  const text = ">['MOVING' :1 :15 {10.0.0.2:7001→'[2001:db8::1]:8001'}]";
  assertRewritten(rewritePush, text, "2001:db8::1");
});

Deno.test("no other push carries addresses", () => {
  const kinds = "message pmessage smessage subscribe sunsubscribe invalidate MIGRATING MIGRATED " +
    "tracking-redir-broken server-cpu-usage FAILING_OVER FAILED_OVER SMIGRATING moving";
  for (const kind of ["", ...kinds.split(" ")]) assertEquals(isAddressPush(kind), false, kind);
  for (const kind of ["MOVING", "SMIGRATED"]) assertEquals(isAddressPush(kind), true, kind);
});
