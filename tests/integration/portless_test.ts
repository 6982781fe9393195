import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Config } from "../../src/cli/config.ts";
import { textOf } from "../../src/resp/frame.ts";
import { AnsweringNode, viewAnswers } from "../support/answering_node.ts";
import { TestCertificate } from "../support/certificate.ts";
import { type ClusterNode, RedisCluster } from "../support/cluster.ts";
import { array, bulk, int, NIL, push } from "../support/frames.ts";
import { Logged } from "../support/logged.ts";
import { CLUSTER_LISTINGS } from "../support/named_nodes.ts";
import { runNat } from "../support/nat_process.ts";
import { findFreePorts } from "../support/ports.ts";
import { type LocalProxy, startProxy } from "../support/proxy.ts";
import { TemporaryDirectory } from "../support/temporary.ts";
import { withTls } from "../support/tls.ts";
import { unless } from "../support/unless.ts";
import { until } from "../support/until.ts";
import { idOf } from "../support/views.ts";
import { wire, WireClient } from "../support/wire.ts";

const [A, B, C, D] = ["a", "b", "c", "d"].map(idOf) as [string, string, string, string];

/** The nodes on the public side. */
const HOST = "nat.example";

/** A proxy, and what it logs. */
class Scene implements AsyncDisposable {
  readonly logged = new Logged();
  #proxy: LocalProxy | undefined;

  static async start(node: AnsweringNode, more: Partial<Config> = {}): Promise<Scene> {
    const scene = new Scene();
    const seed = { ...node, id: A, address: node.address };
    const options = { publicHost: HOST, refreshIntervalMs: Infinity, ...more };
    scene.#proxy = await startProxy({ nodes: [seed] }, options);
    return scene;
  }

  get nodes() {
    return this.#proxy!.proxy.nodes;
  }

  portOf(id: string): number {
    return this.nodes.find((node) => node.id === id)!.listenPort;
  }

  /** The replies that a client of the first node gets to some requests. */
  async ask(...requests: string[]): Promise<string[]> {
    using client = await WireClient.connect("127.0.0.1", this.portOf(A));
    for (const request of requests) await client.send(wire(...request.split(" ")));
    return await client.readFrames(requests.length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#proxy?.[Symbol.asyncDispose]();
    this.logged[Symbol.dispose]();
  }
}

const CLUSTERDOWN = "-CLUSTERDOWN The proxy has no port for a node of this reply\r\n";

/** The replies of Redis 8.0.6 where the second node has `port 0` and `tls-port 7101`. */
function withTlsNode(at: string, port: number): Record<string, string> {
  const shard = (id: string, name: string, port: number) =>
    array(
      ...[bulk("id"), bulk(id), bulk(name), int(port), bulk("ip"), bulk(at)],
      ...[bulk("endpoint"), bulk(at)],
    );
  const nodes = array(shard(A, "port", port), shard(B, "tls-port", at === HOST ? 0 : 7101));
  const other = `${B} ${at}:0@17101 master - 0 0 1 connected 16383`;
  const own = `${A} ${at}:${port}@17001 myself,master - 0 0 1 connected 0-16382`;
  return {
    "CLUSTER SLOTS": array(
      array(int(0), int(16382), entry(at, port, A)),
      // ioredis would read port 0 of a host as 6379.
      array(int(16383), int(16383), entry(at === HOST ? "" : at, 0, B)),
    ),
    "CLUSTER SHARDS": array(array(bulk("slots"), array(int(0), int(16383)), bulk("nodes"), nodes)),
    "CLUSTER NODES": bulk(`${own}\n${other}\n`),
    "CLUSTER REPLICAS": array(bulk(other)),
    "ROLE": array(bulk("master"), int(5), array(array(bulk(at), bulk("0"), bulk("5")))),
    "INFO": bulk(`# Replication\r\nslave0:ip=${at},port=0,state=online,offset=5,lag=0\r\n`),
  };
}

/** A node in CLUSTER SLOTS. */
function entry(host: string, port: number, id: string): string {
  return array(bulk(host), int(port), bulk(id), array());
}

/** Such a node, and a redirect to the other one. */
function tlsNode(): AnsweringNode {
  const node = new AnsweringNode();
  const redirect = { "GET B": `-MOVED 16383 ${node.host}:0\r\n` };
  node.answers = { ...viewAnswers([]), ...withTlsNode(node.host, node.port), ...redirect };
  return node;
}

const TLS_TO_NODES = withTls("nodes", "the proxy uses the other port");

Deno.test(
  unless(
    TLS_TO_NODES,
    "a node without a plain-text port has port 0, and the others are unaffected",
    async (t) => {
      await using node = tlsNode();
      node.answers = { ...node.answers, "GET A": `-MOVED 15495 ${node.address}\r\n` };
      await using scene = await Scene.start(node);
      const wanted = withTlsNode(HOST, scene.portOf(A));
      for (const request of Object.keys(wanted)) {
        await t.step(`in ${request}`, async () => {
          assertEquals(await scene.ask(request.toLowerCase()), [wanted[request]]);
        });
      }
      await t.step("it is logged once", () => {
        const about = scene.logged.lines.filter((line) => line.includes(B));
        assertEquals(about, [
          `warning Node ${B} at 127.0.0.1 has no plain-text port, so no client can reach it; ` +
          "set `port` in its configuration, or use --cluster-tls",
        ]);
      });
      await t.step("a redirect to it is an error", async () => {
        assertEquals(await scene.ask("GET b", "GET a"), [
          CLUSTERDOWN,
          `-MOVED 15495 ${HOST}:${scene.portOf(A)}\r\n`,
        ]);
      });
    },
  ),
);

Deno.test(
  unless(TLS_TO_NODES, "a TLS-only replica has port 0, and the others are unaffected", async () => {
    await using directory = await TemporaryDirectory.create();
    await using cluster = await RedisCluster.start();
    const [primary] = cluster.primaries as [ClusterNode];
    const [replica] = cluster.replicas as [ClusterNode];
    const { pem, keyPem } = TestCertificate.selfSigned();
    await Deno.writeTextFile(directory.at("certificate"), pem);
    await Deno.writeTextFile(directory.at("key"), keyPem);
    using client = await replica.connect();
    const settings = {
      "tls-cert-file": directory.at("certificate"),
      "tls-ca-cert-file": directory.at("certificate"),
      "tls-key-file": directory.at("key"),
      "tls-port": `${findFreePorts(1)}`,
      // Otherwise, the others expect its bus port at 10000.
      "cluster-announce-bus-port": `${replica.port + 10_000}`,
    };
    const ok = { type: "+", text: "OK" } as const;
    assertEquals(await client.ask("CONFIG", "SET", ...Object.entries(settings).flat()), ok);
    assertEquals(await client.ask("CONFIG", "SET", "port", "0"), ok);
    await until("its primary lists it", async (saw) => {
      const nodes = textOf(await primary.ask("CLUSTER", "NODES"))!;
      saw(nodes);
      return nodes.includes(`${replica.id} ${replica.host}:0@`);
    });
    await using proxy = await startProxy(cluster, { publicHost: HOST });
    using inside = await primary.connect();
    using outside = await WireClient.connect("127.0.0.1", proxy.portOf(primary));
    for (const protocol of ["2", "3"]) {
      for (const one of [inside, outside]) await one.ask("HELLO", protocol);
      for (const { subcommand, named } of CLUSTER_LISTINGS) {
        const straight = named(await inside.ask("CLUSTER", subcommand));
        const shown = named(await outside.ask("CLUSTER", subcommand));
        const ports = new Map(cluster.nodes.map((node) => [
          node.id,
          node === replica ? 0 : proxy.portOf(node),
        ]));
        const wanted = straight.map(({ id, port, hosts }) => ({
          id,
          // CLUSTER SHARDS omits a port of 0.
          port: Number.isNaN(port) ? port : ports.get(id)!,
          hosts: hosts.map(() => subcommand === "SLOTS" && id === replica.id ? "" : HOST),
        }));
        assertEquals(shown, wanted, subcommand);
      }
    }
  }),
);

Deno.test("replies with a node without a port do not query the cluster each time", async () => {
  await using node = tlsNode();
  await using scene = await Scene.start(node);
  const startMs = performance.now();
  const count = () => node.asked.filter((request) => request === "CLUSTER INFO").length;
  const before = count();
  for (let times = 0; times < 50; times++) await scene.ask("CLUSTER SLOTS", "GET b");
  const seconds = Math.ceil((performance.now() - startMs) / 1000);
  assert(count() - before <= seconds, `${count() - before} times in ${seconds} s`);
});

Deno.test(
  unless(TLS_TO_NODES, "--check succeeds with a node without a plain-text port", async () => {
    await using node = tlsNode();
    const args = ["--check", `--cluster-addr=${node.address}`, "--public-host=127.0.0.1"];
    const { code, stderr } = await runNat(args);
    assertEquals(code, 0, stderr);
    assertMatch(stderr, new RegExp(`WARN.* Node ${B} at 127.0.0.1 has no plain-text port`));
  }),
);

/** Four nodes: the second has an address in the views of some of the others only. */
class Nodes implements AsyncDisposable {
  readonly all = [A, B, C, D].map((id) => ({ id, node: new AnsweringNode() }));

  constructor(knowing: readonly string[] = []) {
    this.first.answers = {
      "CLUSTER SLOTS": array(
        array(int(0), int(99), entry(this.first.host, this.first.port, A)),
        array(int(100), int(199), entry("", 0, B)),
      ),
      "GET K": "-MOVED 100 :0\r\n",
    };
    this.show(knowing);
  }

  get first(): AnsweringNode {
    return this.all[0]!.node;
  }

  /** Some nodes know the address of the second, and the others its id, if they list it. */
  show(knowing: readonly string[], lists = true): void {
    const slots: Record<string, string> = {
      [A]: "0-99",
      [B]: "100-199",
      [C]: lists ? "200-16383" : "100-16383",
    };
    for (const { id, node } of this.all) {
      const lines = this.all.filter((listed) => lists || listed.id !== B).map((listed) => {
        const isKnown = listed.id !== B || knowing.includes(id);
        const address = isKnown ? `${listed.node.address}@1` : ":0@0";
        const flags = `${listed.id === id ? "myself," : ""}master${isKnown ? "" : ",noaddr"}`;
        return `${listed.id} ${address} ${flags} - 0 0 1 connected ${slots[listed.id] ?? ""}`;
      });
      node.answers = { ...node.answers, ...viewAnswers(lines) };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { node } of this.all) await node[Symbol.asyncDispose]();
  }
}

/** Checks the port that CLUSTER SLOTS and a redirect have for the second node. */
async function assertPortOfB(scene: Scene, port = scene.portOf(B)): Promise<void> {
  assertEquals(await scene.ask("CLUSTER SLOTS", "GET k"), [
    array(
      array(int(0), int(99), entry(HOST, scene.portOf(A), A)),
      array(int(100), int(199), entry(port === 0 ? "" : HOST, port, B)),
    ),
    port === 0 ? CLUSTERDOWN : `-MOVED 100 ${HOST}:${port}\r\n`,
  ]);
}

Deno.test("at the start, an address that one node lacks is resolved by another", async () => {
  await using nodes = new Nodes([D]);
  await using scene = await Scene.start(nodes.first);
  await assertPortOfB(scene);
});

Deno.test("a node without an address has port 0 until a node reports its address", async () => {
  await using nodes = new Nodes();
  await using scene = await Scene.start(nodes.first, { refreshIntervalMs: 100 });
  await assertPortOfB(scene, 0);
  assertEquals(scene.logged.lines.filter((line) => line.startsWith("warning Node")), [
    `warning Node ${B} has no address in the cluster (noaddr), so clients get port 0 for it ` +
    "until a node reports its address",
  ]);
  // Refreshes query the first nodes that answer, so they would never reach this one.
  nodes.show([D]);
  await until("the node has a port", () => scene.nodes.length === 4);
  await assertPortOfB(scene);
});

Deno.test("a reply with a node without an address starts a search for it", async () => {
  await using nodes = new Nodes();
  nodes.show([], false);
  await using scene = await Scene.start(nodes.first);
  nodes.show([D]);
  await assertPortOfB(scene, 0);
  await until("the node has a port", () => scene.nodes.length === 4);
  await assertPortOfB(scene);
});

Deno.test("a push with a node without a port has port 0, or is dropped if it redirects there", async () => {
  await using node = tlsNode();
  const smigrated = (target: string) =>
    push(bulk("SMIGRATED"), int(1), array(array(bulk(node.address), bulk(target), bulk("5"))));
  const moving = (target: string) => push(bulk("MOVING"), int(1), int(15), target);
  const pushes = moving(bulk("127.0.0.1:0")) + moving(NIL) + smigrated("127.0.0.1:0");
  node.answers = { ...node.answers, "GET K": `${pushes}+OK\r\n` };
  await using scene = await Scene.start(node);
  const at = `${HOST}:${scene.portOf(A)}`;
  using client = await WireClient.connect("127.0.0.1", scene.portOf(A));
  await client.send(wire("GET", "k"));
  assertEquals(
    await client.readUntil("+OK\r\n"),
    moving(NIL) + smigrated("127.0.0.1:0").replace(bulk(node.address), bulk(at))
      .replace(bulk("127.0.0.1:0"), bulk(`${HOST}:0`)) +
      "+OK\r\n",
  );
});
