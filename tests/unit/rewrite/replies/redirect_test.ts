import { assertEquals } from "@std/assert";
import {
  isRedirect,
  rewriteMigrateError,
  rewriteRedirect,
  rewriteScriptRedirect,
} from "../../../../src/rewrite/replies/redirect.ts";
import { FixedAddresses, rewritten } from "../../../support/public_addresses.ts";

const REDIRECTS: Record<string, [text: string, rewritten: string]> = {
  "MOVED by IP": ["MOVED 1 10.0.0.2:7001", "MOVED 1 127.0.0.1:8001"],
  "MOVED to the TLS port": ["MOVED 1 10.0.0.2:7101", "MOVED 1 127.0.0.1:8001"],
  "MOVED by hostname": ["MOVED 16383 node-b.internal:7001", "MOVED 16383 127.0.0.1:8001"],
  "MOVED to an unknown endpoint": ["MOVED 3999 :6379", "MOVED 3999 127.0.0.1:8001"],
  "MOVED to a node without a hostname": ["MOVED 3999 ?:6379", "MOVED 3999 127.0.0.1:8001"],
  "MOVED to a node without a plain-text port": [
    "MOVED 3999 10.0.0.2:0",
    "MOVED 3999 127.0.0.1:8001",
  ],
  "MOVED to a node without an address": ["MOVED 3999 :0", "MOVED 3999 127.0.0.1:8001"],
  "MOVED by IPv6 without brackets": ["MOVED 0 fd00::3:7002", "MOVED 0 127.0.0.1:8002"],
  "MOVED by the shortest IPv6": ["MOVED 0 ::1:7002", "MOVED 0 127.0.0.1:8002"],
  "ASK by IP": ["ASK 1 10.0.0.2:7001", "ASK 1 127.0.0.1:8001"],
  "ASK by hostname": ["ASK 1 node-b.internal:7001", "ASK 1 127.0.0.1:8001"],
  "ASK to an unknown endpoint": ["ASK 3999 :6379", "ASK 3999 127.0.0.1:8002"],
  "ASK to a node without a hostname": ["ASK 3999 ?:6379", "ASK 3999 127.0.0.1:8002"],
  "ASK by IPv6 without brackets": ["ASK 1 fd00::3:7002", "ASK 1 127.0.0.1:8002"],
  "REDIRECT by IP": ["REDIRECT 10.0.0.2:7001", "REDIRECT 127.0.0.1:8001"],
  "REDIRECT by hostname": ["REDIRECT node-b.internal:7001", "REDIRECT 127.0.0.1:8001"],
  "REDIRECT by IPv6 without brackets": ["REDIRECT fd00::3:7002", "REDIRECT 127.0.0.1:8002"],
};

for (const [name, [text, expected]] of Object.entries(REDIRECTS)) {
  Deno.test(`${name} is rewritten`, () => {
    assertEquals(isRedirect(text), true);
    assertEquals(rewritten(`-${text}\r\n`, rewriteRedirect), `-${expected}\r\n`);
    assertEquals(rewritten(`-${text}\r\n`, rewriteScriptRedirect), `-${expected}\r\n`);
  });

  Deno.test(`${name} is rewritten inside the error of MIGRATE`, () => {
    const before = "-ERR Target instance replied with error: ";
    assertEquals(
      rewritten(`${before}${text}\r\n`, rewriteMigrateError),
      `${before}${expected}\r\n`,
    );
  });
}

Deno.test("a redirect has an IPv6 public host without brackets, as servers print it", () => {
  const addresses = new FixedAddresses("2001:db8::1");
  assertEquals(
    rewritten("-MOVED 1 10.0.0.2:7001\r\n", rewriteRedirect, addresses),
    "-MOVED 1 2001:db8::1:8001\r\n",
  );
});

Deno.test("a redirect refers to its node by slot, too, and by whether it is an ASK", () => {
  const cases: [text: string, ref: object][] = [
    ["MOVED 3999 :6379", { host: "", port: 6379, slot: 3999, asking: false }],
    ["ASK 3999 ?:6379", { host: "?", port: 6379, slot: 3999, asking: true }],
    ["MOVED 0 ::1:7", { host: "::1", port: 7, slot: 0, asking: false }],
    ["REDIRECT 10.0.0.2:7001", { host: "10.0.0.2", port: 7001 }],
  ];
  for (const [text, ref] of cases) {
    const addresses = new FixedAddresses();
    rewritten(`-${text}\r\n`, rewriteRedirect, addresses);
    const wanted = { ...ref, redirects: true, doubtful: false };
    assertEquals<unknown[]>(addresses.refs, [wanted], text);
  }
});

for (
  const [whose, before, rewrite] of [
    ["a script", "", rewriteScriptRedirect],
    // Clients name its target.
    ["a MIGRATE", "ERR Target instance replied with error: ", rewriteMigrateError],
  ] as const
) {
  Deno.test(`a redirect of ${whose} is doubtful, and passes unchanged if no node has its address`, () => {
    const addresses = new FixedAddresses();
    const wire = `-${before}MOVED 1 10.9.9.9:9999\r\n`;
    assertEquals(rewritten(wire, rewrite, addresses), wire);
    assertEquals<unknown[]>(addresses.refs, [
      { host: "10.9.9.9", port: 9999, slot: 1, asking: false, redirects: true, doubtful: true },
    ]);
  });
}

const NO_REDIRECTS = [
  "-ERR Target instance replied with error: MOVED 1 10.0.0.2:7001\r\n",
  "-MOVED\r\n",
  "-MOVED \r\n",
  "-MOVED 1\r\n",
  "-MOVED 1 10.0.0.2\r\n",
  "-MOVED 1 10.0.0.2:\r\n",
  "-MOVED 1 10.0.0.2:port\r\n",
  "-MOVED x 10.0.0.2:7001\r\n",
  "-MOVED -1 10.0.0.2:7001\r\n",
  "-MOVED 1  10.0.0.2:7001\r\n",
  "-MOVED 1 10.0.0.2:7001 \r\n",
  "-MOVED 1 10.0.0.2:7001 more\r\n",
  "-moved 1 10.0.0.2:7001\r\n",
  "-MOVEDX 1 10.0.0.2:7001\r\n",
  "-ASKING 1 10.0.0.2:7001\r\n",
  "-REDIRECT\r\n",
  "-REDIRECT 10.0.0.2:7001 more\r\n",
  "-CLUSTERDOWN Hash slot not served\r\n",
  "-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
  "*1\r\n-MOVED 1 10.0.0.2:7001\r\n",
  "$-1\r\n",
];

for (const wire of NO_REDIRECTS) {
  Deno.test(`${JSON.stringify(wire)} is not a redirect and passes unchanged`, () => {
    const addresses = new FixedAddresses();
    assertEquals(rewritten(wire, rewriteRedirect, addresses), wire);
    assertEquals(addresses.refs, []);
  });
}

const NO_MIGRATE_ERRORS = [
  "-MOVED 1 10.0.0.2:7001\r\n",
  "-ERR Target instance replied with error: BUSYKEY Target key name already exists.\r\n",
  "-ERR Target instance replied with error: \r\n",
  "-ERR Target instance replied with error: ERR MOVED 1 10.0.0.2:7001\r\n",
  "-IOERR error or timeout reading from target instance\r\n",
  "+NOKEY\r\n",
];

for (const wire of NO_MIGRATE_ERRORS) {
  Deno.test(`${JSON.stringify(wire)} holds no redirect and passes unchanged`, () => {
    assertEquals(rewritten(wire, rewriteMigrateError), wire);
  });
}

Deno.test("other errors do not begin like a redirect", () => {
  for (const text of ["MOVED", "ASK", "ASKING 1 h:1", "REDIRECTED h:1", " MOVED 1 h:1", "ERR"]) {
    assertEquals(isRedirect(text), false, text);
  }
});
