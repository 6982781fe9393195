import { assertEquals } from "@std/assert";
import {
  isRedirect,
  rewriteMigrateError,
  rewriteRedirect,
  rewriteScriptRedirect,
} from "../../../../src/rewrite/replies/redirect.ts";
import { assertRewritten, sidesOf } from "../../../support/public_addresses.ts";

const RELAYED = "ERR Target instance replied with error: ";

const REDIRECTS: Record<string, string> = {
  "MOVED by IP": "MOVED 1 {10.0.0.2:7001→HOST:8001}",
  "MOVED to the TLS port": "MOVED 1 {10.0.0.2:7101→HOST:8001}",
  "MOVED by hostname": "MOVED 16383 {node-b.internal:7001→HOST:8001}",
  "MOVED to an unknown endpoint": "MOVED 3999 {:6379→HOST:8001}",
  "MOVED to a node without a hostname": "MOVED 3999 {?:6379→HOST:8001}",
  "MOVED to a node without a plain-text port": "MOVED 3999 {10.0.0.2:0→HOST:8001}",
  "MOVED to a node without an address": "MOVED 3999 {:0→HOST:8001}",
  "MOVED by IPv6 without brackets": "MOVED 0 {fd00::3:7002→HOST:8002}",
  "MOVED by the shortest IPv6": "MOVED 0 {::1:7002→HOST:8002}",
  "ASK by IP": "ASK 1 {10.0.0.2:7001→HOST:8001}",
  "ASK by hostname": "ASK 1 {node-b.internal:7001→HOST:8001}",
  "ASK to an unknown endpoint": "ASK 3999 {:6379→HOST:8002}",
  "ASK to a node without a hostname": "ASK 3999 {?:6379→HOST:8002}",
  "ASK by IPv6 without brackets": "ASK 1 {fd00::3:7002→HOST:8002}",
  "REDIRECT by IP": "REDIRECT {10.0.0.2:7001→HOST:8001}",
  "REDIRECT by hostname": "REDIRECT {node-b.internal:7001→HOST:8001}",
  "REDIRECT by IPv6 without brackets": "REDIRECT {fd00::3:7002→HOST:8002}",
};

for (const [name, text] of Object.entries(REDIRECTS)) {
  Deno.test(`${name} is rewritten, also inside the error of MIGRATE`, () => {
    assertEquals(isRedirect(sidesOf(text)[0]), true);
    assertRewritten(rewriteRedirect, `(-${text})`);
    assertRewritten(rewriteScriptRedirect, `(-${text})`);
    assertRewritten(rewriteMigrateError, `(-${RELAYED}${text})`);
  });
}

Deno.test("a redirect has an IPv6 public host without brackets, as servers print it", () => {
  const text = "(-MOVED 1 {10.0.0.2:7001→2001:db8::1:8001})";
  assertRewritten(rewriteRedirect, text, "2001:db8::1");
});

/** How redirects refer to their nodes. */
const REFS: Record<string, object> = {
  "MOVED 3999 {:6379→HOST:8001}": { host: "", port: 6379, slot: 3999, asking: false },
  "ASK 3999 {?:6379→HOST:8002}": { host: "?", port: 6379, slot: 3999, asking: true },
  "MOVED 0 ::1:7": { host: "::1", port: 7, slot: 0, asking: false },
  "REDIRECT {10.0.0.2:7001→HOST:8001}": { host: "10.0.0.2", port: 7001 },
};

Deno.test("a redirect refers to its node by slot, too, and by whether it is an ASK", () => {
  for (const [text, ref] of Object.entries(REFS)) {
    const wanted = { ...ref, redirects: true, doubtful: false };
    assertEquals<unknown[]>(assertRewritten(rewriteRedirect, `(-${text})`), [wanted], text);
  }
});

for (
  const [whose, before, rewrite] of [
    ["a script", "", rewriteScriptRedirect],
    // Clients name its target.
    ["a MIGRATE", RELAYED, rewriteMigrateError],
  ] as const
) {
  Deno.test(`a redirect of ${whose} is doubtful, and passes unchanged if no node has its address`, () => {
    assertEquals<unknown[]>(assertRewritten(rewrite, `(-${before}MOVED 1 10.9.9.9:9999)`), [
      { host: "10.9.9.9", port: 9999, slot: 1, asking: false, redirects: true, doubtful: true },
    ]);
  });
}

const NO_REDIRECTS = [
  `(-${RELAYED}MOVED 1 10.0.0.2:7001)`,
  "-MOVED",
  "(-MOVED )",
  "(-MOVED 1)",
  "(-MOVED 1 10.0.0.2)",
  "(-MOVED 1 10.0.0.2:)",
  "(-MOVED 1 10.0.0.2:port)",
  "(-MOVED x 10.0.0.2:7001)",
  "(-MOVED -1 10.0.0.2:7001)",
  "(-MOVED 1  10.0.0.2:7001)",
  "(-MOVED 1 10.0.0.2:7001 )",
  "(-MOVED 1 10.0.0.2:7001 more)",
  "(-moved 1 10.0.0.2:7001)",
  "(-MOVEDX 1 10.0.0.2:7001)",
  "(-ASKING 1 10.0.0.2:7001)",
  "-REDIRECT",
  "(-REDIRECT 10.0.0.2:7001 more)",
  "(-CLUSTERDOWN Hash slot not served)",
  "(-TRYAGAIN Multiple keys request during rehashing of slot)",
  "[(-MOVED 1 10.0.0.2:7001)]",
  "NIL",
];

for (const text of NO_REDIRECTS) {
  Deno.test(`${text} is not a redirect and passes unchanged`, () => {
    assertEquals(assertRewritten(rewriteRedirect, text), []);
  });
}

const NO_MIGRATE_ERRORS = [
  "(-MOVED 1 10.0.0.2:7001)",
  `(-${RELAYED}BUSYKEY Target key name already exists.)`,
  `(-${RELAYED})`,
  `(-${RELAYED}ERR MOVED 1 10.0.0.2:7001)`,
  "(-IOERR error or timeout reading from target instance)",
  "+NOKEY",
];

for (const text of NO_MIGRATE_ERRORS) {
  Deno.test(`${text} holds no redirect and passes unchanged`, () => {
    assertRewritten(rewriteMigrateError, text);
  });
}

Deno.test("other errors do not begin like a redirect", () => {
  for (const text of ["MOVED", "ASK", "ASKING 1 h:1", "REDIRECTED h:1", " MOVED 1 h:1", "ERR"]) {
    assertEquals(isRedirect(text), false, text);
  }
});
