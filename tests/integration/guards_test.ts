import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { OperatorError } from "../../src/platform/operator_error.ts";
import type { HostPort } from "../../src/platform/address.ts";
import type { NodeRef } from "../../src/cluster/node_ref.ts";
import { NodeResolver } from "../../src/nat/node_resolver.ts";
import { waitUntilReady } from "../../src/cluster/readiness.ts";
import { ClusterDiscovery } from "../../src/cluster/discovery.ts";
import type { ClusterView } from "../../src/cluster/view.ts";
import { encodeRequest, itemsOf, textOf } from "../../src/resp/frame.ts";
import { type ClusterNode, RedisCluster } from "../support/cluster.ts";
import { NODE_LINK } from "../support/dialer.ts";
import { namedInLines } from "../support/named_nodes.ts";
import { Peer } from "../support/peer.ts";
import { findFreePorts } from "../support/ports.ts";
import { type LocalProxy, startProxy } from "../support/proxy.ts";
import { until, within } from "../support/until.ts";
import { ScriptedDiscovery } from "../support/scripted_discovery.ts";
import { TableScene, viewOf } from "../support/views.ts";
import { WireClient } from "../support/wire.ts";

/** In slots 3300, 7365 and 15495: one for each of three primaries. */
const KEYS = ["b", "c", "a"] as const;

/** A proxy that stops, or answers, does so without a wait of seconds for somebody else. */
const PROMPTLY_MS = 1000;

/** How far past its deadline a start may go. */
const GRACE_MS = 300;

/** A topology that a test can see the end of, for a start that gives up leaves it at work. */
class WatchedTopology extends ClusterDiscovery implements AsyncDisposable {
  #look: Promise<unknown> = Promise.resolve();

  static of(seeds: readonly HostPort[], password?: string): WatchedTopology {
    return new WatchedTopology({
      seeds: seeds.map(({ host, port }) => ({ host, port })),
      ...NODE_LINK,
      credentials: password === undefined ? undefined : { username: undefined, password },
    });
  }

  override queryAny(...args: Parameters<ClusterDiscovery["queryAny"]>): Promise<ClusterView> {
    const look = super.queryAny(...args);
    this.#look = look;
    return look;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.#look.catch(() => {});
  }
}

Deno.test("an address of no node gets no port, whatever its source", async (t) => {
  await using cluster = await RedisCluster.start({ replicasEach: 0 });
  await using proxy = await startProxy(cluster);
  const node = cluster.ownerOf(3300);
  // Where nodes are, so that it is an address no client of the proxy may see.
  await using secret = new Peer({ host: node.host, answer: "+secret\r\n" });
  const before = proxy.ports;
  using client = await WireClient.connect(proxy.host, proxy.portOf(node));

  const errors = [
    `REDIRECT ${secret.address}`,
    `MOVED 3300 ${secret.address}`,
    `MOVED 7365 ${secret.address}`,
    `ASK 3300 ${secret.address}`,
  ];
  for (const error of errors) {
    await t.step(
      `a script that makes up ${error.split(" ").slice(0, -1).join(" ")}`,
      async () => {
        const script = ["EVAL", `return redis.error_reply('${error}')`, "1", KEYS[0]];
        assertEquals(await client.ask(...script), { type: "-", text: error });
        await client.ask("MULTI");
        await client.ask(...script);
        assertEquals(itemsOf(await client.ask("EXEC")), [{ type: "-", text: error }]);
        assertEquals(proxy.ports, before);
      },
    );
  }

  await t.step("CLUSTER MEET of an unused address", async () => {
    const meet = await client.ask("CLUSTER", "MEET", secret.host, `${secret.port}`);
    assertEquals(meet, { type: "+", text: "OK" });
    const direct = textOf(await node.ask("CLUSTER", "NODES"))!;
    assertMatch(direct, new RegExp(`^\\S{40} ${secret.address}@.* handshake - `, "m"));
    const text = textOf(await client.ask("CLUSTER", "NODES"))!;
    const named = namedInLines({ type: "$", text });
    assertEquals(named.length, cluster.nodes.length + 1, text);
    for (const { id, port, hosts } of named) {
      assertEquals(hosts, [proxy.host], text);
      const known = cluster.nodes.find((node) => node.id === id);
      assertEquals(port, known === undefined ? 0 : proxy.portOf(known), text);
    }
    for (const { host } of [...cluster.nodes, secret]) {
      if (host !== proxy.host) assert(!text.includes(host), text);
    }
    assertEquals(proxy.ports, before);
  });

  assertEquals(secret.accepted, 0, "the proxy has asked at the address");
});

Deno.test("an address that does not answer delays no client", async (t) => {
  await using silent = new Peer();
  // The primary tells of its replica in ROLE by what the replica says of itself.
  await using cluster = await RedisCluster.start({
    directives: { "cluster-preferred-endpoint-type": "unknown-endpoint" },
    directivesOf: (index) =>
      index === 3
        ? { "replica-announce-ip": silent.host, "replica-announce-port": `${silent.port}` }
        : {},
  });
  const [first, second] = cluster.primaries as [ClusterNode, ClusterNode];
  const role = textOf(itemsOf(itemsOf(itemsOf(await first.ask("ROLE"))![2]!)![0]!)![1]!);
  assertEquals(role, `${silent.port}`);

  /** A redirect that says no host has to be resolved. */
  async function assertRedirected(proxy: LocalProxy): Promise<void> {
    using other = await WireClient.connect(proxy.host, proxy.portOf(second));
    await other.send(encodeRequest(["GET", KEYS[0]]));
    const [reply] = await other.readFrames(1, PROMPTLY_MS);
    assertEquals(reply, `-MOVED 3300 ${proxy.host}:${proxy.portOf(first)}\r\n`);
  }

  await t.step("not a client that sends it, because it is not queried", async () => {
    const accepted = silent.accepted;
    await using proxy = await startProxy(cluster);
    using client = await WireClient.connect(proxy.host, proxy.portOf(first));
    await client.send(encodeRequest(["ROLE"]));
    const [reply] = await client.readFrames(1, PROMPTLY_MS);
    // It is the only replica that the cluster knows of.
    assertMatch(reply!, new RegExp(`\\$\\d+\r\n${proxy.portOf(cluster.nodes[3]!)}\r\n`));
    await assertRedirected(proxy);
    await within("stop the proxy", proxy.proxy.stop(), PROMPTLY_MS);
    assertEquals(silent.accepted, accepted);
  });

  await t.step("not redirects, after a client had a node meet it", async () => {
    await using proxy = await startProxy(cluster);
    using client = await WireClient.connect(proxy.host, proxy.portOf(first));
    const before = proxy.ports;
    const accepted = silent.accepted;
    await client.ask("CLUSTER", "MEET", silent.host, `${silent.port}`);
    await client.send(encodeRequest(["CLUSTER", "NODES"]));
    await assertRedirected(proxy);
    await client.readFrames(1, PROMPTLY_MS);
    assertEquals([proxy.ports, silent.accepted], [before, accepted]);
  });
});

Deno.test("an address that a node lists as a replica at a client's request gets no query and no port", async () => {
  await using cluster = await RedisCluster.start({ replicasEach: 0 });
  await using proxy = await startProxy(cluster);
  await using liar = new Peer();
  const [node] = cluster.nodes as [ClusterNode];
  const before = proxy.ports;
  using replica = await WireClient.connect(proxy.host, proxy.portOf(node));
  await replica.ask("REPLCONF", "listening-port", `${liar.port}`);
  await replica.ask("REPLCONF", "ip-address", liar.host);
  await replica.send(encodeRequest(["PSYNC", "?", "-1"]));
  using client = await WireClient.connect(proxy.host, proxy.portOf(node));
  const info = await until("the node lists it", async () => {
    const info = textOf(await client.ask("INFO", "replication")) ?? "";
    return info.includes("slave0:") && info;
  });
  await client.ask("ROLE");
  assertMatch(info, new RegExp(`slave0:ip=${proxy.host},port=0,`));
  assertEquals([liar.accepted, proxy.ports], [0, before]);
});

Deno.test("an address that all nodes share belongs to no node, also after a slot has moved", async () => {
  /** What a sees, while slot 0 is a's or b's. */
  function viewWith(owner: "a" | "b"): ClusterView {
    const [ofA, ofB] = owner === "a" ? ["0-5", "6-10"] : ["1-5", "0 6-10"];
    const slots = [ofA, ofB, "11-16383"];
    return viewOf(slots.map((own, index) => {
      const flags = index === 0 ? "myself,master" : "master";
      const address = `10.0.0.${index + 1}:7000@17000,redis.svc`;
      return `${"abc"[index]} ${address} ${flags} - 0 0 1 connected ${own}`;
    }));
  }
  const discovery = new ScriptedDiscovery(viewWith("b"));
  const scene = new TableScene();
  const { natTable } = scene;
  const nodeResolver = new NodeResolver(scene.context(discovery));
  /** Lets the node answer with such a view. */
  const own = (owner: "a" | "b") => discovery.answers.set("10.0.0.1:7000", viewWith(owner));
  own("b");
  scene.applyView(viewWith("b"));
  const from = natTable.nodes[0]!;
  const located = (slot: number) => {
    const ref: NodeRef = { host: "redis.svc", port: 7000, slot, asking: false };
    // As translate does: what is known goes first.
    return natTable.portOf(ref) ?? nodeResolver.resolve(ref, from, performance.now());
  };
  assertEquals(await located(0), 8001);
  // A says that the slot is elsewhere, and has it by the time it is asked where.
  own("a");
  assertEquals(await located(0), 8000);
  own("b");
  assertEquals([await located(7), await located(0), await located(20)], [8001, 8001, 8002]);
  // Whoever answers at a shared address is any of its nodes.
  assertEquals(new Set(discovery.asked), new Set(["10.0.0.1:7000"]));
});

Deno.test("the start fails after --start-timeout", async (t) => {
  const timeoutMs = 350;
  await using stack = new AsyncDisposableStack();
  const mute = Array.from({ length: 3 }, () => stack.use(new Peer()));
  const refusing = { host: "127.0.0.1", port: findFreePorts(1) };
  const cases: [name: string, seeds: HostPort[], says: string][] = [
    ["a seed that is mute", mute.slice(0, 1), "No node has answered yet"],
    ["several that are mute", mute, "No node has answered yet"],
    // Between two attempts the pause is longer than what is left.
    ["a seed that refuses connections", [refusing], "refuses connections"],
    ["one that refuses and one that is mute", [refusing, mute[0]!], "No node has answered yet"],
  ];
  for (const [name, seeds, says] of cases) {
    await t.step(name, async () => {
      await using topology = WatchedTopology.of(seeds);
      const start = performance.now();
      const { message } = await assertRejects(
        () => waitUntilReady(topology, timeoutMs),
        OperatorError,
      );
      const tookMs = performance.now() - start;
      assert(message.includes(says), message);
      assert(message.endsWith(" (gave up after 0.35 s, --start-timeout)"), message);
      assert(tookMs > timeoutMs - 5 && tookMs < timeoutMs + GRACE_MS, `${tookMs} ms`);
    });
  }
});

const FOR_EVER = 60_000;

const PASSWORD = "s3cret";

/** Errors to AUTH, whether they end the start at once, and what it says, without the password. */
const REFUSALS: [answer: string, lasting: boolean, says: RegExp][] = [
  ["ERR max number of clients reached", false, /to AUTH with an error: ERR max number of clients/],
  ["ERR max number of clients + cluster connections reached", false, /ERR max number of clients/],
  ["LOADING Redis is loading the dataset in memory", false, /an error: LOADING/],
  ["WRONGPASS invalid username-password pair", true, /refused the user name or the password/],
  ["WRONGPASS for s3cret", true, /refused the user name or the password: WRONGPASS$/],
  [
    "DENIED Redis is running in protected mode because protected mode is enabled",
    true,
    /is in protected mode and refuses remote connections: set a password or protected-mode no$/,
  ],
  // As 7.0 and as 6.2 say it where AUTH has another name.
  ...["'AUTH', with args beginning with: 's3cret' ", "`AUTH`, with args beginning with: `s3cret`, "]
    .map((unknown): [string, boolean, RegExp] => [
      `ERR unknown command ${unknown}`,
      true,
      /has no command AUTH: remove its rename-command$/,
    ]),
  ["NOPERM s3cret may not", false, /replied to AUTH with an error: it is not shown/],
  ["s3cret", false, /replied to AUTH with an error: it is not shown/],
];

Deno.test("the start retries after a temporary error, and fails at a permanent one", async (t) => {
  for (const [answer, lasting, says] of REFUSALS) {
    await t.step(answer, async () => {
      await using peer = new Peer({ answer: `-${answer}\r\n` });
      await using topology = WatchedTopology.of([peer], PASSWORD);
      const { message } = await within(
        "see the start give up",
        assertRejects(() => waitUntilReady(topology, lasting ? FOR_EVER : 350), OperatorError),
        PROMPTLY_MS,
      );
      assertMatch(message.replace(/ \(gave up after .*\)$/, ""), says);
      assert(!message.includes(PASSWORD), message);
      assertEquals([message.includes("gave up after"), peer.accepted > 1], [!lasting, !lasting]);
    });
  }
});

Deno.test("a reply without an end is not read without a limit", async () => {
  await using peer = new Peer({ answer: `$2000000000\r\n${"x".repeat(20_000_000)}` });
  await using topology = WatchedTopology.of([peer]);
  const { message } = await within(
    "see the start give up",
    assertRejects(() => waitUntilReady(topology, 10_000), OperatorError),
    15_000,
  );
  assertMatch(message, /failed to reply: it sent more than 16777216 bytes/);
});
