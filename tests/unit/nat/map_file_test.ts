import { assert, assertEquals } from "@std/assert";
import type { HostPort } from "../../../src/platform/address.ts";
import { formatMap, type MapNode } from "../../../src/nat/map_file.ts";
import { run } from "../../support/program.ts";

function node(number: number, names: readonly HostPort[], publicPort = 8000 + number): MapNode {
  return {
    id: `${number}`.repeat(40),
    role: number < 3 ? "primary" : "replica",
    address: names[0]!,
    names,
    publicPort,
  };
}

function at(host: string, port = 7000): HostPort {
  return { host, port };
}

interface Map {
  nodes: unknown[];
  ioredis: { natMap: Record<string, HostPort> };
  "redis-py": { address_remap: string };
}

function read(publicHost: string, nodes: readonly MapNode[]): Map {
  return JSON.parse(formatMap(publicHost, nodes));
}

Deno.test("the map tells of every node three times, in the order of public ports", () => {
  const text = formatMap("nat.example", [
    node(3, [at("2001:db8::7", 7002)], 9000),
    node(1, [at("172.23.0.2"), at("redis-1.lan")]),
  ]);
  assertEquals(
    text,
    `{
  "version": 1,
  "nodes": [
    {
      "id": "1111111111111111111111111111111111111111",
      "role": "primary",
      "private": {
        "host": "172.23.0.2",
        "port": 7000
      },
      "public": {
        "host": "nat.example",
        "port": 8001
      }
    },
    {
      "id": "3333333333333333333333333333333333333333",
      "role": "replica",
      "private": {
        "host": "2001:db8::7",
        "port": 7002
      },
      "public": {
        "host": "nat.example",
        "port": 9000
      }
    }
  ],
  "ioredis": {
    "natMap": {
      "172.23.0.2:7000": {
        "host": "nat.example",
        "port": 8001
      },
      "redis-1.lan:7000": {
        "host": "nat.example",
        "port": 8001
      },
      "2001:db8::7:7002": {
        "host": "nat.example",
        "port": 9000
      }
    }
  },
  "redis-py": {
    "address_remap": ` +
      JSON.stringify(
        'lambda address: {("172.23.0.2", 7000): ("nat.example", 8001), ' +
          '("redis-1.lan", 7000): ("nat.example", 8001), ' +
          '("2001:db8::7", 7002): ("nat.example", 9000)}.get(address, address)',
      ) + "\n  }\n}\n",
  );
});

Deno.test("a cluster without nodes has a map, too", () => {
  const map = read("a", []);
  assertEquals(map.nodes, []);
  assertEquals(map.ioredis.natMap, {});
  assertEquals(map["redis-py"].address_remap, "lambda address: {}.get(address, address)");
});

Deno.test("a name that several nodes have is left out, one that a node has twice is not", () => {
  const { nodes, ioredis, "redis-py": redisPy } = read("a", [
    node(1, [at("10.0.0.1"), at("redis.lan"), at("10.0.0.1")]),
    node(2, [at("10.0.0.2"), at("redis.lan"), at("redis.lan", 7001)]),
  ]);
  assertEquals(nodes.length, 2);
  assertEquals(Object.keys(ioredis.natMap), ["10.0.0.1:7000", "10.0.0.2:7000", "redis.lan:7001"]);
  assertEquals(redisPy.address_remap.match(/\("a", /g)?.length, 3);
  assert(!redisPy.address_remap.includes('("redis.lan", 7000)'), redisPy.address_remap);
});

const python = await run(["python3", "--version"]).then(({ code }) => code === 0, () => false);

/** No host has these characters, but the text that goes to `eval` must not depend on that. */
const HOSTS = [
  ...["172.23.0.2", "::1", "a'b", 'a"b', "a\\", '\\"', "{x}", "%s", "\\N{DASH}", "a\nb", "\0"],
  ...["ä", "\u2028", "\x7f\x85", "😀", "\ud83d", '", 1): __import__("os") #'],
];

Deno.test({
  name: "Python reads the lambda as a map from tuple to tuple" +
    (python ? "" : " (SKIPPED: there is no python3)"),
  ignore: !python,
  fn: async () => {
    const publicHosts = ["nat.example", ...HOSTS];
    const lambdas = publicHosts.map((publicHost) => {
      const map = read(publicHost, HOSTS.map((host, index) => node(index, [at(host)])));
      return map["redis-py"].address_remap;
    });
    const strangers = [["::1", 7001], ["b", 7000]];
    const addresses = [...HOSTS.map((host) => [host, 7000]), ...strangers];
    const { code, output } = await run(
      ["python3", "-c", EVALUATE],
      JSON.stringify([lambdas, addresses]),
    );
    assertEquals(code, 0, output);
    const expected = publicHosts.map((publicHost) => [
      ...HOSTS.map((_host, index) => [publicHost, 8000 + index]),
      ...strangers,
    ]);
    assertEquals(JSON.parse(output), expected);
  },
});

const EVALUATE = `
import json, sys
lambdas, addresses = json.load(sys.stdin)
remaps = [eval(text) for text in lambdas]
results = [[remap((host, port)) for host, port in addresses] for remap in remaps]
assert all(isinstance(result, tuple) for row in results for result in row)
print(json.dumps(results))
`;
