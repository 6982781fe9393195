import { assertEquals, assertMatch } from "@std/assert";
import { formatHostPort, type HostPort } from "../../src/platform/address.ts";
import { formatState } from "../../src/nat/state_file.ts";
import { type ClusterNode, RedisCluster } from "../support/cluster.ts";
import { IoredisClient } from "./clients/ioredis.ts";
import { idAt } from "../support/named_nodes.ts";
import { NatProcess, runNat } from "../support/nat_process.ts";
import { findFreePorts } from "../support/ports.ts";
import { TemporaryDirectory } from "../support/temporary.ts";
import { withTls } from "../support/tls.ts";
import { unless } from "../support/unless.ts";
import { until } from "../support/until.ts";

/** As often as the program takes it, so that a test sees what it does. */
const OFTEN = "--refresh-interval=100ms";

function place({ host, port }: ClusterNode): HostPort {
  return { host, port };
}

/** Options of the program with a first port and a few more for its nodes. */
function flags({ nodes }: RedisCluster, port: number, ...more: string[]): string[] {
  const addresses = [`--cluster-addr=${nodes[0]!.address}`, `--listen-addr=127.0.0.1:${port}`];
  return [...addresses, "--public-host=127.0.0.1", "--max-nodes=4", OFTEN, ...more];
}

function nat(...options: Parameters<typeof flags>): Promise<NatProcess> {
  return new NatProcess(flags(...options)).ready();
}

Deno.test("a state file preserves the ports, and an invalid one stays unchanged", async (t) => {
  await using cluster = await RedisCluster.start({ replicasEach: 0 });
  await using directory = await TemporaryDirectory.create();
  const path = directory.at("state.json");
  const flag = `--state-file=${path}`;
  const port = findFreePorts(8);
  const savedWith = (portOf: (index: number) => number) =>
    cluster.nodes.map(({ id, host, port }, index) => {
      return { id, address: { host, port }, port: portOf(index) };
    });

  await t.step("the first start creates it", async () => {
    await using proxy = await nat(cluster, port, flag);
    const nodes = savedWith((index) => port + index);
    assertEquals(await Deno.readTextFile(path), formatState({ nodes, retired: [] }));
    assertEquals([...proxy.mapping.values()], [port, port + 1, port + 2]);
  });

  await t.step("a later start gives each node its port again", async () => {
    const moved = savedWith((index) => port + 3 - index);
    await Deno.writeTextFile(path, formatState({ nodes: moved, retired: [port] }));
    await using proxy = await nat(cluster, port, flag);
    for (const { address, port } of moved) {
      assertEquals(proxy.mapping.get(formatHostPort(address)), port);
    }
    const { stdout } = await runNat(flags(cluster, port, flag, "--check"));
    assertEquals(stdout.split("\n").toSorted(), proxy.stdout.split("\n").toSorted());
  });

  await t.step("a start with other ports of a view is refused", async () => {
    const views = (first: number) =>
      runNat(
        flags(cluster, port, flag, "--check", `--view=b=127.0.0.1:${first},h`),
      );
    await using _proxy = await nat(cluster, port, flag, `--view=b=127.0.0.1:${port + 4},h`);
    const { code, stderr } = await views(port + 5);
    assertEquals(code, 1);
    assertMatch(
      stderr,
      /^redis-cluster-nat: The state file '.*' has port \d+ for node \S+ in the view b, which would now be \d+; set --view as it was, or delete the file\n$/,
    );
  });

  const invalidFiles: [name: string, text: string, message: RegExp][] = [
    ["damaged", '{"format": "redis-cluster-nat sta', /is not JSON.*; fix it, delete it, or name/],
    ["foreign", '{"name": "package"}', /is not a state of redis-cluster-nat; name another/],
    [
      "of another range",
      formatState({
        nodes: [{ id: "a".repeat(40), address: { host: "10.0.0.1", port: 7000 }, port: port + 7 }],
        retired: [],
      }),
      new RegExp(`has port ${port + 7} for node 10.0.0.1:7000, and ports are now ${port} to `),
    ],
  ];
  for (const [name, text, message] of invalidFiles) {
    await t.step(`a file that is ${name} fails the start with one line`, async () => {
      await Deno.writeTextFile(path, text);
      for (const check of ["--check", "--check=false"]) {
        const { code, stderr } = await runNat(flags(cluster, port, flag, check));
        assertEquals([code, stderr.split("\n").length], [1, 2], stderr);
        assertMatch(stderr, message);
        assertEquals(await Deno.readTextFile(path), text);
      }
    });
  }

  await t.step(
    "a file of another cluster gets a warning, and its ports stay reserved",
    async () => {
      const other = { id: "a".repeat(40), address: { host: "10.0.0.1", port: 7000 }, port };
      await Deno.writeTextFile(path, formatState({ nodes: [other], retired: [] }));
      await using proxy = await nat(cluster, port, flag);
      await proxy.untilLogged(
        /WARN .*None of the 1 nodes in the state file '.*' is in this cluster/,
      );
      assertEquals([...proxy.mapping.values()], [port + 1, port + 2, port + 3]);
    },
  );

  await t.step(
    "a file that cannot be written fails the start, and no other is written",
    async () => {
      await Deno.remove(path);
      for (const [bad, good] of [["state", "map"], ["map", "state"]] as const) {
        const files = [`--${bad}-file=${directory.at("nowhere/file.json")}`];
        files.push(`--${good}-file=${directory.at(`${good}.json`)}`);
        const { code, stderr } = await runNat(flags(cluster, port, ...files));
        assertEquals(code, 1);
        assertMatch(stderr, /redis-cluster-nat: Cannot write the file '.*nowhere\/file.json'/);
        assertEquals(await directory.read(), {});
      }
    },
  );
});

/** The client connects to a node first, and then to the proxy. */
const ONE_SIDED = withTls("one", "ioredis has the same options for both");

for (const family of ["IPv4", "IPv6"] as const) {
  const name = `the map file lists every node of an ${family} cluster, and follows changes`;
  Deno.test(unless(ONE_SIDED, name, async () => {
    await using cluster = await RedisCluster.start({ family });
    await using directory = await TemporaryDirectory.create();
    const path = directory.at("map.json");
    const [seed] = cluster.nodes as [ClusterNode];
    await using proxy = await NatProcess.serve(seed, [`--map-file=${path}`, OFTEN]);
    const read = async () => JSON.parse(await Deno.readTextFile(path));
    const map = await read();
    assertEquals(map.nodes.length, 6);
    const natMap: Record<string, unknown> = {};
    for (const { id, role, host, port } of cluster.nodes) {
      const to = { host: "127.0.0.1", port: proxy.portOf({ host, port }) };
      const node = map.nodes.find((node: { id: string }) => node.id === id);
      assertEquals(node, { id, role, private: { host, port }, public: to });
      natMap[`${host}:${port}`] = to;
    }
    assertEquals(map.ioredis.natMap, natMap);

    await using client = await IoredisClient.connect({ ...place(seed), protocol: 2 }, map.ioredis);
    const ports = cluster.nodes.map((node) => `127.0.0.1:${proxy.portOf(node)}`);
    assertEquals(client.addresses.toSorted(), ports.toSorted());
    for (const key of Array.from({ length: 30 }, (_, index) => `key:${index}`)) {
      await client.command(key, "SET", key, key);
      assertEquals(await client.command(key, "GET", key), key);
    }

    const replica = cluster.replicas[0]!;
    await replica.order("CLUSTER", "FAILOVER");
    await until("the map file has the failover", async (saw) => {
      const { nodes } = await read();
      saw(nodes);
      const roles = new Map(nodes.map(({ id, role }: { id: string; role: string }) => [id, role]));
      return roles.get(replica.id) === "primary" && roles.get(seed.id) === "replica";
    });
  }));
}

Deno.test("nodes get the ports that --port-map gives to their id or address", async () => {
  await using cluster = await RedisCluster.start({ replicasEach: 0 });
  const [first, second, third] = cluster.nodes;
  const port = findFreePorts(8);
  const pins = `${first!.id}=${port + 2},${third!.address}=${port + 7}`;
  await using proxy = await nat(cluster, port, `--port-map=${pins}`);
  const expected = [[first!, port + 2], [second!, port], [third!, port + 7]] as const;
  for (const [node, port] of expected) {
    assertEquals(proxy.mapping.get(node.address), port);
    assertEquals(await idAt("127.0.0.1", port), node.id);
  }
});

Deno.test("an unreachable cluster is logged once, and once its recovery", async () => {
  await using cluster = await RedisCluster.start({ replicasEach: 0 });
  await using proxy = await nat(cluster, findFreePorts(4));
  const silent = /WARN .*No node is reachable; keeping the last known topology: /;
  for (let times = 1; times <= 2; times++) {
    await Promise.all(cluster.nodes.map((node) => node.kill()));
    await until("it is logged", () => count(proxy.stderr, silent) === times);
    // Many refreshes long.
    await Promise.all(cluster.nodes.map((node) => node.start()));
    await until("the recovery is logged", () => {
      return count(proxy.stderr, /INFO .*The cluster is reachable again/) === times;
    });
    assertEquals(count(proxy.stderr, silent), times, proxy.stderr);
    await cluster.ready();
  }
  assertEquals(await idAt("127.0.0.1", [...proxy.mapping.values()][0]!), cluster.nodes[0]!.id);
});

function count(text: string, pattern: RegExp): number {
  return text.split("\n").filter((line) => pattern.test(line)).length;
}
