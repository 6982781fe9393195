import { assert, assertEquals, assertThrows } from "@std/assert";
import { formatHostPort } from "../../../src/platform/address.ts";
import { ConfigError } from "../../../src/cli/config_error.ts";
import { command, config, wordsOf } from "./command.ts";

/** A value of --cluster-addr, the seeds in it, and whether it means TLS, the user, the password. */
const ACCEPTED: [
  address: string,
  seeds: string,
  others?: { tls?: true; user?: string; password?: string },
][] = [
  ["redis://a", "a:6379"],
  ["redis://a/", "a:6379"],
  ["redis://a:7000/0", "a:7000"],
  ["rediss://a:1", "a:1", { tls: true }],
  ["RedisS://a:1", "a:1", { tls: true }],
  ["rediss://[2001:db8::7]", "[2001:db8::7]:6379", { tls: true }],
  ["redis://[::1]:7000/", "[::1]:7000"],
  ["redis://@a", "a:6379"],
  ["redis://:@a", "a:6379"],
  ["redis://:pass@a", "a:6379", { password: "pass" }],
  ["redis://me:pass@a:1", "a:1", { user: "me", password: "pass" }],
  ["rediss://me:a:b@[::1]:1/0", "[::1]:1", { tls: true, user: "me", password: "a:b" }],
  ["redis://m%40e:p%2C%2f%3F%23%25%3A+%20%C3%A4@a", "a:6379", {
    user: "m@e",
    password: "p,/?#%:+ ä",
  }],
  // As URL parsers do, an @ before the last one belongs to the password.
  ["redis://:p@ss@a", "a:6379", { password: "p@ss" }],
  ["a, redis://b:7000/0 ,[::1]:7", "a:6379 b:7000 [::1]:7"],
  ["rediss://a,b", "a:6379 b:6379", { tls: true }],
  ["redis://me:p@a,redis://me:%70@b,redis://c,d", "a:6379 b:6379 c:6379 d:6379", {
    user: "me",
    password: "p",
  }],
];

for (const [address, seeds, { tls = false, user, password } = {}] of ACCEPTED) {
  Deno.test(`--cluster-addr=${address} is accepted`, () => {
    const { seeds: found, credentials, clusterTls } = config([`--cluster-addr=${address}`]);
    assertEquals(found.map(formatHostPort).join(" "), seeds);
    assertEquals(clusterTls !== undefined, tls);
    assertEquals(credentials, password === undefined ? undefined : { username: user, password });
  });
}

Deno.test("a user and a password may come from a URL and from options", () => {
  const cases: [words: string[], username: string][] = [
    [["--cluster-addr=redis://me@a", "--password=p"], "me"],
    [["CLUSTER_ADDR=redis://:p@a", "CLUSTER_USERNAME=you"], "you"],
  ];
  for (const [words, username] of cases) {
    assertEquals(config(words).credentials, { username, password: "p" });
  }
});

const URL_EXPECTED = "expected redis://user:password@host:port, or rediss:// for TLS, with " +
  "percent-encoding in the user and the password, such as %2C for a comma";

/** Command lines, and a part of their error. */
const INVALID: Record<string, string> = {
  "--cluster-addr=http://a":
    `The scheme is neither redis nor rediss in address 1 of --cluster-addr; ${URL_EXPECTED}`,
  "--cluster-addr=a,redis:///0": "A host is missing in address 2 of --cluster-addr; expected",
  "--cluster-addr=redis://": "A host is missing in address 1 of --cluster-addr; ",
  "--cluster-addr=redis://:1": "A host is missing in address 1 of --cluster-addr; ",
  "CLUSTER_ADDR=redis://a:0": "A port is 0 in address 1 of CLUSTER_ADDR; ",
  "--cluster-addr=redis://a:x": "The port is not a number up to 65535 in address 1 of ",
  "--cluster-addr=redis://::1": "The IPv6 address has no brackets in address 1 of ",
  "--cluster-addr=redis://a/1":
    "There is a path, but a cluster has no database other than 0, in address 1 of --cluster-addr; ",
  "--cluster-addr=redis://a/0/": "There is a path, but a cluster has no database other than 0",
  "--cluster-addr=redis://a?x=1": "There is a query, which has no meaning here, in address 1",
  "--cluster-addr=redis://a/0#x": "There is a query, which has no meaning here, in address 1",
  "--cluster-addr=b,u:S3CRET@a": "There is a user or a password without redis:// before it in",
  "--cluster-addr=redis://:S3/CRET@a": "There is a /, ? or # before the @ in address 1 of ",
  "--cluster-addr=redis://:1#S3CRET@a": "There is a /, ? or # before the @ in address 1 of ",
  "--cluster-addr=redis://:S3CRET%@a": "A % is not followed by two hex digits of UTF-8 in ",
  "--cluster-addr=redis://S3CRET%ff:p@a": "A % is not followed by two hex digits of UTF-8 in ",
  // A comma that is not encoded.
  "--cluster-addr=redis://:S3CRET,S3CRET@a": "The port is not a number up to 65535 in address",
  "--cluster-addr=a,redis://:S3CRET": "The port is not a number up to 65535 in address 2 of ",
  "--cluster-addr=redis://a,b,rediss://c":
    "Cannot use both redis:// and rediss:// in --cluster-addr: either all nodes are reached over " +
    "TLS or none; write the same scheme in all URLs",
  "--cluster-addr=redis://:S3CRET@a,redis://:S3CRET2@b":
    "The URLs in --cluster-addr differ in user or password, but the proxy uses the same for all",
  "--cluster-addr=redis://u:S3CRET@a,redis://S3CRET@b": "The URLs in --cluster-addr differ in ",
  "--cluster-addr=redis://S3CRET@a":
    "There is no password for the user in --cluster-addr; write redis://user:password@host, or " +
    "redis://:password@host for the default user, or add --password-file",
  "CLUSTER_ADDR=redis://S3CRET:S3CRET@a --username=u":
    "Both --username and the user in CLUSTER_ADDR are set; expected one",
  "CLUSTER_ADDR=redis://:S3CRET@a CLUSTER_PASSWORD=S3CRET":
    "Both CLUSTER_PASSWORD and the password in CLUSTER_ADDR are set; expected one",
  "--cluster-addr=redis://:S3CRET@a --password-file=f":
    "Both --password-file and the password in --cluster-addr are set; expected one",
  "--cluster-addr=redis://:S3CRET@a --cluster-tls":
    "Cannot use --cluster-tls 'true': --cluster-addr has a redis:// URL, which stands for plain " +
    "TCP; write rediss://",
  "CLUSTER_ADDR=rediss://a CLUSTER_TLS=off":
    "Cannot use CLUSTER_TLS 'off': CLUSTER_ADDR has a rediss:// URL, which stands for TLS; " +
    "write redis://, or remove this option",
};

for (const [line, message] of Object.entries(INVALID)) {
  Deno.test(`${line} is invalid`, () => {
    const error = assertThrows(() => config(wordsOf(line)), ConfigError, message);
    assert(!error.message.includes("S3CRET"), error.message);
  });
}

Deno.test("a health check does not look at the addresses of the cluster", () => {
  assertEquals(command(["healthcheck", "CLUSTER_ADDR=redis://:%@a"]).kind, "healthcheck");
});
