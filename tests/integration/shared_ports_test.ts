import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Config } from "../../src/cli/config.ts";
import { OperatorError } from "../../src/platform/operator_error.ts";
import { itemsOf, textOf } from "../../src/resp/frame.ts";
import { type ClusterNode, RedisCluster } from "../support/cluster.ts";
import { Logged } from "../support/logged.ts";
import { runNat } from "../support/nat_process.ts";
import { onLinux } from "../support/platform.ts";
import { findFreePorts } from "../support/ports.ts";
import { type LocalProxy, startProxy } from "../support/proxy.ts";
import { slotOf } from "../support/slots.ts";
import { PROXY_HOSTS } from "../support/tls.ts";
import { TemporaryDirectory } from "../support/temporary.ts";
import { until } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";

/** All are in one slot, and thus in one shard. */
const key = (name: string) => `{ports}${name}`;
const SLOT = slotOf(key(""));

/** Proxies have the same ports, each at an address of its own. */
const hostOf = (index: number) => PROXY_HOSTS[index]!;

const NODES = 6;
/** Some are for nodes that join. */
const MAX_NODES = 10;
const FIRST = findFreePorts(MAX_NODES);

/** A wrong port must be corrected within a second; the machine may be slow. */
const CORRECTION_MS = 3_000;

const statusOf = async ({ proxy }: LocalProxy) => (await proxy.status()).sharedPorts;

/** What the user of proxies needs, as README says. */
const PERMISSIONS = [
  ...["nodes", "info", "shards"].map((name) => `+cluster|${name}`),
  ...["hgetall", "hset", "watch", "multi", "exec", "wait", "asking"].map((name) => `+${name}`),
];

onLinux.test("several proxies share their ports", async (t) => {
  await using cluster = await RedisCluster.start();
  const [seed] = cluster.nodes as [ClusterNode];

  const start = (index: number, name: string, more: Partial<Config> = {}) =>
    startProxy(cluster, {
      listen: { host: hostOf(index), port: FIRST },
      publicHost: hostOf(index),
      maxNodes: MAX_NODES,
      sharedPorts: key(name),
      refreshIntervalMs: 500,
      ...more,
    });

  /** Runs a command on the primary of the slot that the keys are in. */
  async function store(...words: string[]) {
    for (const { node, slots } of await cluster.standings()) {
      if (slots.includes(SLOT)) return await node.order(...words);
    }
    throw new Error("No node owns the slot");
  }

  async function fieldsOf(name: string): Promise<Record<string, string>> {
    const texts = itemsOf(await store("HGETALL", key(name)))!.map((item) => textOf(item)!);
    return Object.fromEntries(
      texts.flatMap((text, at) => at % 2 === 0 ? [[text, texts[at + 1]!]] : []),
    );
  }

  /** The port of each node, as all proxies and the hash have it. */
  function untilAgreed(
    name: string,
    proxies: readonly LocalProxy[],
    nodes = cluster.nodes.length,
  ): Promise<Record<string, number>> {
    return until(`${proxies.length} proxies agree on ${nodes} nodes`, async (saw) => {
      const claims = Object.entries(await fieldsOf(name)).flatMap(([field, value]) =>
        field.startsWith("port:") && !value.startsWith("retired")
          ? [[value.split(" ")[0], Number(field.slice(5))]]
          : []
      );
      const maps = proxies.map(({ proxy }) =>
        proxy.nodes.map((node) => [node.id, node.listenPort])
      );
      const texts = [claims, ...maps].map((map) => JSON.stringify(map.sort()));
      saw(texts.join("\n"));
      return claims.length === nodes && new Set(texts).size === 1 && Object.fromEntries(claims);
    }, 20_000);
  }

  const byAddress = () =>
    cluster.nodes.toSorted((a, b) => a.host.localeCompare(b.host) || a.port - b.port);

  await t.step("proxies that start at once number the nodes by address, as one does", async () => {
    await using stack = new AsyncDisposableStack();
    const proxies = await Promise.all(
      [0, 1, 2].map(async (index) => stack.use(await start(index, "start"))),
    );
    for (const proxy of proxies) {
      assertEquals(byAddress().map((node) => proxy.portOf(node) - FIRST), [0, 1, 2, 3, 4, 5]);
      assertEquals(await statusOf(proxy), { problem: undefined, waiting: 0, corrections: 0 });
    }
    assertEquals(await fieldsOf("start"), {
      "version": "1",
      "first-port": `${FIRST}`,
      ...Object.fromEntries(
        byAddress().map(({ id, address }, index) => [
          `port:${FIRST + index}`,
          `${id} ${address}`,
        ]),
      ),
    });
    assertEquals(await store("PTTL", key("start")), { type: ":", text: "-1" });
  });

  await t.step("a node that joins has one port, and a redirect to it waits for that", async () => {
    await using stack = new AsyncDisposableStack();
    const proxies = await Promise.all(
      [0, 1, 2].map(async (index) =>
        stack.use(await start(index, "join", { refreshIntervalMs: Infinity }))
      ),
    );
    const joined = await cluster.add();
    await cluster.moveSlots([0], seed, joined);
    const moved = await Promise.all(proxies.map(async (proxy, index) => {
      using client = await WireClient.connect(hostOf(index), proxy.portOf(seed));
      return textOf(await client.ask("GET", "{3560}"));
    }));
    const ports = await untilAgreed("join", proxies);
    assertEquals(ports[joined.id], FIRST + NODES);
    assertEquals(slotOf("{3560}"), 0);
    assertEquals(moved, [0, 1, 2].map((index) => `MOVED 0 ${hostOf(index)}:${ports[joined.id]}`));
    await cluster.moveSlots([0], joined, seed);
    await cluster.remove(joined);
  });

  await t.step("a lost hash is written again, and no port changes", async () => {
    await using stack = new AsyncDisposableStack();
    const proxies = await Promise.all(
      [0, 1].map(async (index) => stack.use(await start(index, "lost"))),
    );
    const before = await fieldsOf("lost");
    using client = await WireClient.connect(hostOf(0), proxies[0]!.portOf(seed));
    await store("DEL", key("lost"));
    await untilAgreed("lost", proxies);
    assertEquals(await fieldsOf("lost"), before);
    assertEquals(await client.ask("PING"), { type: "+", text: "PONG" });
  });

  await t.step("a proxy that lost a port to another node closes it and its clients", async () => {
    await using stack = new AsyncDisposableStack();
    using logged = new Logged();
    const proxies = await Promise.all(
      [0, 1].map(async (index) => stack.use(await start(index, "lose"))),
    );
    const [loser, winner] = byAddress() as [ClusterNode, ClusterNode];
    const port = proxies[0]!.portOf(loser);
    const clients = await Promise.all(
      [0, 1].map((index) => WireClient.connect(hostOf(index), port)),
    );
    for (const client of clients) stack.use(client);
    const fields = {
      ...await fieldsOf("lose"),
      [`port:${port}`]: `${winner.id} ${winner.address}`,
    };
    delete fields[`port:${proxies[0]!.portOf(winner)}`];
    // One step, as a failover to a replica that lacks the last writes.
    await store("EVAL", LOSE, "1", key("lose"), ...Object.entries(fields).flat());
    const startedMs = performance.now();
    for (const client of clients) assertEquals(await client.readToEnd(), "");
    const closedMs = performance.now() - startedMs;
    assert(closedMs < CORRECTION_MS, `closed after ${closedMs} ms`);
    const ports = await untilAgreed("lose", proxies);
    assertEquals(ports[winner.id], port);
    for (const [index, proxy] of proxies.entries()) {
      using client = await WireClient.connect(hostOf(index), port);
      assertEquals(textOf(await client.ask("CLUSTER", "MYID")), winner.id);
      assertEquals((await statusOf(proxy))?.corrections, 2);
    }
    assert(
      logged.lines.some((line) =>
        line.startsWith(`warning Closing port ${port}, which is another`)
      ),
      logged.lines.join("\n"),
    );
  });

  await t.step("a port in use by another program leaves the node without a port here", async () => {
    await using stack = new AsyncDisposableStack();
    using logged = new Logged();
    const one = stack.use(await start(0, "busy"));
    const other = stack.use(await start(1, "busy"));
    const port = FIRST + NODES;
    const listener = Deno.listen({ hostname: hostOf(1), port });
    const joined = await cluster.add();
    await untilAgreed("busy", [one]);
    assertEquals(one.portOf(joined), port);
    await until("the log says so", (saw) => {
      saw(logged.lines.join("\n"));
      return logged.lines.some((line) => line.includes("has no port here until then"));
    });
    assertEquals(other.ports.length, NODES);
    listener.close();
    await untilAgreed("busy", [one, other]);
    await cluster.remove(joined);
  });

  await t.step("a node that is reset keeps its port under its new id", async () => {
    await using stack = new AsyncDisposableStack();
    const joined = await cluster.add();
    const proxies = await Promise.all(
      [0, 1, 2].map(async (index) => stack.use(await start(index, "reset"))),
    );
    const before = await untilAgreed("reset", proxies);
    const former = joined.id;
    await joined.order("CLUSTER", "RESET", "HARD");
    joined.id = textOf(await joined.order("CLUSTER", "MYID"))!;
    for (const node of cluster.nodes) {
      if (node !== joined) await node.order("CLUSTER", "FORGET", former);
    }
    await joined.order("CLUSTER", "MEET", seed.host, `${seed.peerPort}`);
    await cluster.ready();
    const after = await untilAgreed("reset", proxies);
    const { [former]: port, ...others } = before;
    assertEquals(after, { ...others, [joined.id]: port });
    await cluster.remove(joined);
  });

  await t.step("while the slot of the key moves, the importing node has the hash", async () => {
    const owner = cluster.ownerOf(SLOT);
    const other = cluster.primaries.find((node) => node !== owner)!;
    await using stack = new AsyncDisposableStack();
    const proxies = await Promise.all(
      [0, 1].map(async (index) => stack.use(await start(index, "asked"))),
    );
    const before = await fieldsOf("asked");
    await other.order("CLUSTER", "SETSLOT", `${SLOT}`, "IMPORTING", owner.id);
    await owner.order("CLUSTER", "SETSLOT", `${SLOT}`, "MIGRATING", other.id);
    // No key is at the owner, which redirects to the other one.
    const keys = itemsOf(await owner.order("CLUSTER", "GETKEYSINSLOT", `${SLOT}`, "100"))!;
    for (const name of keys) await owner.order("DEL", textOf(name)!);
    using client = await other.connect();
    await until("the hash is where the slot will be", async (saw) => {
      const [, reply] = await client.askAll([["ASKING"], ["HLEN", key("asked")]]);
      saw(reply);
      return textOf(reply) === `${Object.keys(before).length}`;
    });
    await other.order("CLUSTER", "SETSLOT", `${SLOT}`, "NODE", other.id);
    await owner.order("CLUSTER", "SETSLOT", `${SLOT}`, "NODE", other.id);
    await untilAgreed("asked", proxies);
    assertEquals(await fieldsOf("asked"), before);
    await cluster.moveSlots([SLOT], other, owner);
  });

  await t.step("the slot of the key may move, and its primary may die", async () => {
    await using stack = new AsyncDisposableStack();
    const proxies = await Promise.all(
      [0, 1, 2].map(async (index) => stack.use(await start(index, "moves"))),
    );
    const owner = cluster.ownerOf(SLOT);
    const other = cluster.primaries.find((node) => node !== owner)!;
    await cluster.moveSlots([SLOT], owner, other);
    const before = await untilAgreed("moves", proxies);
    const joined = await cluster.add();
    const after = await untilAgreed("moves", proxies);
    assertEquals({ ...after, [joined.id]: undefined }, { ...before, [joined.id]: undefined });
    await cluster.moveSlots([SLOT], other, owner);
    await owner.kill();
    const second = await cluster.add();
    const last = await untilAgreed("moves", proxies);
    assertEquals({ ...last, [second.id]: undefined }, { ...after, [second.id]: undefined });
    await owner.start();
    await cluster.ready();
    await cluster.remove(joined);
    await cluster.remove(second);
  });

  await t.step("the user needs the commands that the manual names, and the key", async (t) => {
    await using directory = await TemporaryDirectory.create();
    const stateFile = directory.at("state.json");
    const credentials = { username: "nat", password: "secret" };
    const allow = async (...rules: string[]) => {
      for (const node of cluster.nodes) {
        await node.order("ACL", "SETUSER", "nat", "reset", "on", ">secret", ...rules);
      }
    };
    const read = PERMISSIONS.filter((rule) => !["+hset"].includes(rule));
    await allow(...PERMISSIONS, `~${key("acl")}`);
    {
      await using one = await start(0, "acl", { credentials, stateFile });
      await untilAgreed("acl", [one]);
    }
    await t.step("without HSET a new key is refused", async () => {
      await allow(...read, `~${key("")}*`);
      const error = await assertRejects(() => start(1, "new", { credentials }), OperatorError);
      const { message } = error;
      assert(/\(--shared-ports\): .*'hset'.*; the proxy needs \+hgetall/.test(message), message);
    });
    await t.step("without HSET known nodes are served, and new ones have no port", async () => {
      using logged = new Logged();
      await using one = await start(0, "acl", { credentials });
      assertEquals(one.ports.length, NODES);
      const joined = await cluster.add();
      await joined.order("ACL", "SETUSER", "nat", "on", ">secret", ...read, "~*");
      await until("a node waits for a port", async () => {
        const status = await statusOf(one);
        return status?.waiting === 1 && status.problem;
      });
      assertEquals(one.ports.length, NODES);
      assert(
        logged.lines.some((line) => line.startsWith("warning Cannot use the shared ports at")),
      );
      await allow(...PERMISSIONS, `~${key("acl")}`);
      await untilAgreed("acl", [one]);
      assertEquals((await statusOf(one))?.problem, undefined);
      await cluster.remove(joined);
    });
    await t.step("without the key a state file has the ports", async () => {
      await allow(...PERMISSIONS);
      await using one = await start(0, "acl", { credentials, stateFile });
      assertEquals(byAddress().map((node) => one.portOf(node) - FIRST), [0, 1, 2, 3, 4, 5]);
      await assertRejects(() => start(1, "acl", { credentials }), OperatorError, "NOPERM");
    });
  });

  await t.step("--check prints the ports that nodes would get, and claims none", async () => {
    const check = (name: string, ...flags: string[]) =>
      runNat([
        "--check",
        `--cluster-addr=${seed.host}:${seed.port}`,
        `--listen-addr=${hostOf(0)}:${FIRST}`,
        `--shared-ports=${key(name)}`,
        ...flags,
      ]);
    const { code, stdout, stderr } = await check("check");
    assertEquals(code, 0, stderr);
    assertEquals(
      stdout.trimEnd().split("\n"),
      byAddress().map(({ address }, index) =>
        `Listening on: ${hostOf(0)}:${FIRST + index} proxy to: ${address}`
      ),
    );
    assertEquals(await fieldsOf("check"), {});
    const denied = await check("check", "--username=nat", "--password=secret");
    assertEquals(denied.code, 1);
    assert(/Cannot use the shared ports at .*NOPERM/.test(denied.stderr), denied.stderr);
  });

  await t.step("a hash that cannot be used stops the start", async () => {
    for (
      const [name, words, expected] of [
        ["string", ["SET", "x"], "holds another type than a hash"],
        ["other", ["HSET", "name", "value"], "holds no shared ports of redis-cluster-nat"],
        ["newer", ["HSET", "version", "2", "first-port", `${FIRST}`], "have version 2, but this"],
        [
          "range",
          ["HSET", "version", "1", "first-port", "1"],
          `begin at 1, and those of this proxy`,
        ],
      ] as const
    ) {
      const [command, ...more] = words;
      await store(command, key(name), ...more);
      await assertRejects(() => start(0, name), OperatorError, expected);
    }
  });

  await t.step("a static mapping that contradicts the others stops the start", async () => {
    await using _one = await start(0, "pins");
    const [first] = byAddress() as [ClusterNode];
    const pinned = FIRST + NODES + 1;
    const error = await assertRejects(
      () => start(1, "pins", { staticMappings: [{ node: first.id, port: pinned }] }),
      OperatorError,
    );
    assertEquals(
      error.message,
      `--port-map gives node ${first.id} port ${pinned}, but the shared ports at ` +
        `'${key("pins")}' give it port ${FIRST}; remove the entry, or delete the key while no ` +
        "proxy runs",
    );
  });
});

/** Replaces a hash by other fields. */
const LOSE = "redis.call('DEL', KEYS[1]) return redis.call('HSET', KEYS[1], unpack(ARGV))";
