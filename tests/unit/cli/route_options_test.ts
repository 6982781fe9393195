import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../../../src/cli/config_error.ts";
import { DialMap } from "../../../src/cluster/dial_map.ts";
import { formatHostPort, parseHostPort } from "../../../src/platform/address.ts";
import { config } from "./command.ts";

const tunnel = (protocol: string, at: string, login?: [username: string, password: string]) => ({
  protocol,
  at: parseHostPort(at),
  login: login && { username: login[0], password: login[1] },
});

const TUNNELS: [via: string, expected: unknown][] = [
  ["socks5://127.0.0.1:1080", tunnel("socks5", "127.0.0.1:1080")],
  ["SOCKS5h://bastion.example:1080/", tunnel("socks5", "bastion.example:1080")],
  ["http://[::1]:8888", tunnel("http", "[::1]:8888")],
  ["http://ann:p%40ss:w/rd@h:1", tunnel("http", "h:1", ["ann", "p@ss:w/rd"])],
  ["socks5://a%3Ab:@h:1", tunnel("socks5", "h:1", ["a:b", ""])],
];

for (const [via, expected] of TUNNELS) {
  Deno.test(`the tunnel of --via=${via}`, () => {
    assertEquals(config([`--via=${via}`]).via as unknown, expected);
    assertEquals(config([`VIA=${via}`]).via as unknown, expected);
  });
}

const DIALLED: [map: string, node: string, dialled: string][] = [
  ["10.0.0.1:7000=127.0.0.1:17000", "10.0.0.1:7000", "127.0.0.1:17000"],
  ["10.0.0.1:7000=127.0.0.1:17000", "10.0.0.1:7001", "10.0.0.1:7001"],
  ["10.0.0.1=192.0.2.1", "10.0.0.1:7001", "192.0.2.1:7001"],
  ["10.0.0.1=127.0.0.1:7001", "10.0.0.1:6379", "127.0.0.1:7001"],
  ["*:7000=*:17000", "node.internal:7000", "node.internal:17000"],
  ["*:7000=127.0.0.1:17000, *:7001=127.0.0.1:17001", "10.0.0.2:7001", "127.0.0.1:17001"],
  ["*:7000=a, 10.0.0.1=b, 10.0.0.1:7000=c", "10.0.0.1:7000", "c:7000"],
  ["*:7000=a, 10.0.0.1=b", "10.0.0.1:7000", "b:7000"],
  ["[2001:DB8::0:1]=[::1]", "[2001:db8::1]:7000", "[::1]:7000"],
  ["Redis.Internal:7000=localhost:1", "redis.internal:7000", "localhost:1"],
];

for (const [map, node, dialled] of DIALLED) {
  Deno.test(`with --dial-map=${map}, ${node} is dialled at ${dialled}`, () => {
    const dialMap = new DialMap(config([`--dial-map=${map}`]).dialMap);
    assertEquals(formatHostPort(dialMap.apply(parseHostPort(node))), dialled);
  });
}

Deno.test("a dial map knows which of its entries were never used", () => {
  const { dialMap } = config(["DIAL_MAP=a:1=b:1,c=d,*:7=*:8"]);
  const map = new DialMap(dialMap);
  for (const node of ["c:5", "x:7"]) map.apply(parseHostPort(node));
  assertEquals(map.unused, [{ node: { host: "a", port: 1 }, dialled: { host: "b", port: 1 } }]);
});

Deno.test("with --via or --dial-map, listeners are on loopback by default", () => {
  const local = { host: "127.0.0.1", port: 8000 };
  assertEquals(config(["--via=http://h:1"]).listen, local);
  assertEquals(config(["DIAL_MAP=a=b"]).listen, local);
  assertEquals(config(["--via=http://h:1", "LISTEN_ADDR=:9000"]).listen, { host: "", port: 9000 });
  assertEquals(config([]).listen.host, "");
});

const LOGIN = ["--login", "--username=ann", "--password=s"];

Deno.test("--login takes the credentials of the proxy", () => {
  const expected = { username: "ann", password: "s" };
  for (const listen of ["127.0.0.2:1", "localhost:1", "[::1]:1"]) {
    assertEquals(config([...LOGIN, `--listen-addr=${listen}`]).login, expected);
  }
  assertEquals(config([...LOGIN, "--via=http://h:1"]).login, expected);
  assertEquals(config([...LOGIN.slice(1)]).login, undefined);
});

const INVALID: [words: string[], message: string][] = [
  ...["127.0.0.1:1080", "socks5:127.0.0.1:1", "socks5://h:1/path", "://h:1"].map(
    (via): [string[], string] => [
      [`--via=${via}`],
      `Cannot use --via '${via}': expected socks5://[USER:PASSWORD@]HOST:PORT or http://[USER:`,
    ],
  ),
  [["--via=https://h:1"], "Cannot use --via 'https://h:1': the scheme is unknown; expected socks5"],
  [["VIA=socks5://h"], "Cannot use VIA 'socks5://h': the port is missing; expected socks5://"],
  [["VIA=socks5://:1080"], "Cannot use VIA 'socks5://:1080': its host or port is missing; exp"],
  [["VIA=http://h:0"], "Cannot use VIA 'http://h:0': its host or port is missing; expected"],
  [["VIA=http://h:99999"], "the port is not a number up to 65535; expected socks5://"],
  [["VIA=http://secret@h:1"], "Cannot use VIA '***@h:1': its login is incomplete; expected"],
  [["VIA=http://:secret@h:1"], "Cannot use VIA '***@h:1': its login is incomplete; expected"],
  [["VIA=http://u:secret%zz@h:1"], "'***@h:1': its login has a % without two hexadecimal digits"],
  [[`VIA=http://u:${"secret".repeat(50)}@h:1`], "'***@h:1': its user name or password is longer"],
  ...["a", "a=", "=b", "a=b=c", "a=b,"].map((map): [string[], string] => [
    [`--dial-map=${map}`],
    ": expected PRIVATE=ADDRESS, each a HOST:PORT, a HOST or *:PORT, several separated by commas",
  ]),
  [["DIAL_MAP=a:0=b"], "Cannot use DIAL_MAP 'a:0=b': 'a:0' is no address of a node; expected PR"],
  [["DIAL_MAP=0.0.0.0=b"], "Cannot use DIAL_MAP '0.0.0.0=b': '0.0.0.0' is no address of a node; "],
  [["DIAL_MAP=a=:7"], "Cannot use DIAL_MAP 'a=:7': ':7' is no address of a node; expected PRIV"],
  [["DIAL_MAP=*=b"], "Cannot use DIAL_MAP '*=b': The host is neither a host name nor an IP addr"],
  [["DIAL_MAP=a:1=b,A:1=c"], "Cannot use DIAL_MAP 'A:1=c': 'a:1' occurs before; expected each"],
  [["--login"], "There is no user for --login to log in; set --username and --password-file, or"],
  [
    ["LOGIN=yes", "--password=secret"],
    "With LOGIN everyone who reaches ':8000' would be logged in; listen on a loopback address, " +
    "such as --listen-addr=127.0.0.1:8000, or require client certificates with --tls-auth-",
  ],
  [[...LOGIN, "--listen-addr=10.0.0.1:1"], "With --login everyone who reaches '10.0.0.1:1' would"],
];

for (const [words, message] of INVALID) {
  Deno.test(`no proxy starts with ${words.join(" ").slice(0, 60)}: ${message}`, () => {
    const error = assertThrows(() => config(words), ConfigError, message);
    assertEquals(/secret/.test(error.message), false, error.message);
  });
}
