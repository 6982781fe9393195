import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../../../src/cli/config_error.ts";
import { command, config, wordsOf } from "./command.ts";

Deno.test("without options clients connect without a balancer", () => {
  const { balancers, drainDelayMs } = config([]);
  assertEquals([balancers, drainDelayMs], [undefined, 0]);
});

Deno.test("load balancers and the versions of their headers", () => {
  const from = [
    { first: [10, 0, 0, 0], commonBits: 8 },
    { first: [32, 1, 13, 184, ...Array(11).fill(0), 7], commonBits: 128 },
  ];
  const flags = ["--accept-proxy-protocol=v2", "--proxy-protocol-from=10.0.0.0/8, 2001:db8::7"];
  assertEquals(config(flags).balancers, { versions: "v2", from });
  const variables = ["ACCEPT_PROXY_PROTOCOL=ANY", "PROXY_PROTOCOL_FROM=10.0.0.0/8,2001:db8::7"];
  assertEquals(config(variables).balancers, { versions: "any", from });
});

Deno.test("the delay before the drain", () => {
  assertEquals(config(["--drain-delay=15s"]).drainDelayMs, 15_000);
  assertEquals(config(["DRAIN_DELAY=500ms"]).drainDelayMs, 500);
});

Deno.test("a health check sends the header that the proxy expects", () => {
  const cases: [line: string, versions: string | undefined][] = [
    ["", undefined],
    ["--accept-proxy-protocol=v1", "v1"],
    ["ACCEPT_PROXY_PROTOCOL=any PROXY_PROTOCOL_FROM=?", "any"],
  ];
  for (const [line, versions] of cases) {
    const read = command(["healthcheck", ...wordsOf(line)]);
    assertEquals(read.kind === "healthcheck" ? read.headerVersions : read.kind, versions);
  }
});

const LOGIN = ["--login", "--username=ann", "--password=s", "--listen-addr=127.0.0.1:8000"];
const BALANCER = ["--accept-proxy-protocol=v2", "--proxy-protocol-from=127.0.0.1"];
const MUTUAL = ["--tls-cert-file=c", "--tls-key-file=k", "--tls-ca-cert-file=a"];

Deno.test("--login behind a balancer needs certificates of clients, whatever the address", () => {
  assertThrows(
    () => config([...LOGIN, ...BALANCER]),
    ConfigError,
    "With --login everyone who reaches the load balancer of --accept-proxy-protocol would be " +
      "logged in; require client certificates with --tls-auth-clients=yes, or do without --login",
  );
  for (const words of [[...LOGIN, ...MUTUAL], [...LOGIN.slice(0, 3), ...MUTUAL]]) {
    assertEquals(config([...words, ...BALANCER]).login, { username: "ann", password: "s" });
  }
});

/** Command lines, and a part of their error. */
const INVALID: Record<string, string> = {
  "--accept-proxy-protocol=v3 --proxy-protocol-from=::1":
    "Cannot use --accept-proxy-protocol 'v3': expected one of v1, v2, any",
  "--accept-proxy-protocol=v2":
    "Cannot use --accept-proxy-protocol 'v2': anybody could send a header; add " +
    "--proxy-protocol-from with the addresses of the load balancers",
  "PROXY_PROTOCOL_FROM=10.0.0.0/8":
    "Cannot use PROXY_PROTOCOL_FROM '10.0.0.0/8': no header is expected; add " +
    "--accept-proxy-protocol, or remove this option",
  "ACCEPT_PROXY_PROTOCOL=any PROXY_PROTOCOL_FROM=10.0.0.1/8":
    "Cannot use PROXY_PROTOCOL_FROM '10.0.0.1/8': the range begins earlier than its address: " +
    "write 10.0.0.0/8; expected IP addresses and ranges such as 10.0.0.0/8, separated by commas",
  "--accept-proxy-protocol=any --proxy-protocol-from=::/0,balancer":
    "Cannot use --proxy-protocol-from 'balancer': it is no IP address, with or without /BITS; ",
  "--accept-proxy-protocol=any --proxy-protocol-from=10.0.0.0/33":
    "Cannot use --proxy-protocol-from '10.0.0.0/33': the number after / is more than 32; ",
  "--accept-proxy-protocol=any --proxy-protocol-from=10.0.0.1,":
    "Cannot use --proxy-protocol-from '': it is no IP address, ",
  "--drain-delay=5": "Cannot use --drain-delay '5': expected a number and ms, s, m or h",
};

for (const [line, message] of Object.entries(INVALID)) {
  Deno.test(`${line} is refused`, () => {
    assertThrows(() => config(wordsOf(line)), ConfigError, message);
  });
}
