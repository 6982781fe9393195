import { assertEquals } from "@std/assert";
import type { HostPort } from "../../../src/platform/address.ts";
import { PublicView, type PublicViewOptions } from "../../../src/nat/public_view.ts";
import { formatMap, type MapNode } from "../../../src/nat/map_file.ts";

function node(number: number, announced: readonly HostPort[], listenPort = 8000 + number): MapNode {
  return {
    id: `${number}`.repeat(40),
    role: number < 3 ? "primary" : "replica",
    address: announced[0]!,
    announced,
    listenPort,
  };
}

function at(host: string, port = 7000): HostPort {
  return { host, port };
}

interface Map {
  nodes: unknown[];
  ioredis: { natMap: Record<string, HostPort> };
}

function read(publicHost: string, nodes: readonly MapNode[]): Map {
  return JSON.parse(formatMap([viewAt(publicHost)], nodes));
}

function viewAt(publicHost: string | undefined, more: Partial<PublicViewOptions> = {}): PublicView {
  return new PublicView({ name: "default", listen: at("", 8000), publicHost, ...more });
}

Deno.test("the map has every node twice, in the order of public ports", () => {
  const text = formatMap([viewAt("nat.example")], [
    node(3, [at("2001:db8::7", 7002)], 9000),
    node(1, [at("172.23.0.2"), at("redis-1.lan")]),
  ]);
  const [first, second] = [at("nat.example", 8001), at("nat.example", 9000)];
  const [one, three] = [at("172.23.0.2"), at("2001:db8::7", 7002)];
  const map = {
    version: 1,
    nodes: [
      { id: "1".repeat(40), role: "primary", private: one, public: first },
      { id: "3".repeat(40), role: "replica", private: three, public: second },
    ],
    ioredis: {
      natMap: { "172.23.0.2:7000": first, "redis-1.lan:7000": first, "2001:db8::7:7002": second },
    },
  };
  assertEquals(text, `${JSON.stringify(map, null, 2)}\n`);
});

Deno.test("a table without nodes has an empty map", () => {
  const map = read("a", []);
  assertEquals(map.nodes, []);
  assertEquals(map.ioredis.natMap, {});
});

Deno.test("a name of several nodes is omitted, a name that one node has twice is not", () => {
  const { nodes, ioredis } = read("a", [
    node(1, [at("10.0.0.1"), at("redis.lan"), at("10.0.0.1")]),
    node(2, [at("10.0.0.2"), at("redis.lan"), at("redis.lan", 7001)]),
  ]);
  assertEquals(nodes.length, 2);
  assertEquals(Object.keys(ioredis.natMap), ["10.0.0.1:7000", "10.0.0.2:7000", "redis.lan:7001"]);
});

Deno.test("a map with other public ports has both, and ioredis gets the public ones", () => {
  const view = viewAt("nat.example", { firstPublicPort: 31000 });
  const { nodes, ioredis } = JSON.parse(formatMap([view], [node(1, [at("10.0.0.1")])]));
  assertEquals(nodes[0].public, at("nat.example", 31001));
  assertEquals(nodes[0].listenPort, 8001);
  assertEquals(ioredis.natMap, { "10.0.0.1:7000": at("nat.example", 31001) });
});

Deno.test("a map with several views has each node and the map of ioredis for each", () => {
  const first = viewAt("inside.example");
  const listen = at("", 9000);
  const others = [
    new PublicView({ name: "outside", listen, publicHost: "nat.example" }, first),
    new PublicView({ name: "reached", listen: at("", 7000), publicHost: undefined }, first),
  ];
  const { nodes, views } = JSON.parse(
    formatMap([first, ...others], [node(1, [at("10.0.0.1")])]),
  );
  assertEquals(nodes[0].public, at("inside.example", 8001));
  assertEquals(nodes[0].views, {
    outside: { public: at("nat.example", 9001) },
    reached: { public: { host: null, port: 7001 } },
  });
  assertEquals(views, {
    outside: { ioredis: { natMap: { "10.0.0.1:7000": at("nat.example", 9001) } } },
    reached: { ioredis: { natMap: {} } },
  });
});
