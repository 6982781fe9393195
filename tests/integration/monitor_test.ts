import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { toLatin1 } from "../../src/resp/bytes.ts";
import { encodeRequest, textOf } from "../../src/resp/frame.ts";
import { type ClusterNode, type ClusterOptions, RedisCluster } from "../support/cluster.ts";
import { SMALL_BUFFER_BYTES } from "../support/conversation.ts";
import { type LocalProxy, startProxy } from "../support/proxy.ts";
import { WireClient } from "../support/wire.ts";

/** Unlike every address on this machine, so that one that is left over is seen. */
const PUBLIC_HOST = "redis.example.com";

/** In slot 3300, which the first primary owns. */
const KEY = "a{b}";

/** The words of the first and the last line that are looked at. */
const [START, END] = ["THE-START", "THE-END"] as const;

/** More than the buffer that a line is read into. */
const LONG_VALUE = '"\0'.repeat(20_000);

/** So many that their line is longer than what is kept of one. */
const MANY_KEYS = Array.from({ length: 3000 }, (_, index) => `${index}{b}`);

/** They would take longer than a test waits, were those in each read looked for. */
const MANY_STRANGERS = 1000;

const CLUSTERS: Record<string, ClusterOptions> = {
  "a cluster": {},
  "a cluster over IPv6": { family: "IPv6", replicasEach: 0 },
};

for (const [name, options] of Object.entries(CLUSTERS)) {
  Deno.test(`MONITOR of ${name} shows all that it does inside, but no private address`, async (t) => {
    await using cluster = await RedisCluster.start(options);
    for (const readBufferBytes of [SMALL_BUFFER_BYTES, 32 * 1024]) {
      await using proxy = await startProxy(cluster, { publicHost: PUBLIC_HOST, readBufferBytes });
      for (const node of [cluster.primaries[0]!, ...cluster.replicas.slice(0, 1)]) {
        for (const protocol of ["2", "3"]) {
          await t.step(
            `a ${node.role} in RESP${protocol}, read by ${readBufferBytes} bytes`,
            () => compare({ cluster, proxy, node, protocol }),
          );
        }
      }
    }
  });
}

Deno.test("lines of MONITOR name nodes without a port, and strangers", async (t) => {
  await using cluster = await RedisCluster.start({ replicasEach: 0 });
  const readBufferBytes = SMALL_BUFFER_BYTES;
  await using proxy = await startProxy(cluster, {
    maxNodes: 1,
    publicHost: PUBLIC_HOST,
    readBufferBytes,
  });
  const [node, unmapped] = cluster.primaries as [ClusterNode, ClusterNode];
  using inside = await node.connect();
  using watching = await monitor("127.0.0.1", proxy.ports[0]!, "2");

  await t.step("a node without a port is shown with port 0", async () => {
    await inside.ask("MIGRATE", ...addressOf(unmapped), KEY, "0", "1000");
    await inside.ask("ECHO", END);
    assertStringIncludes(await linesOf(watching), `"MIGRATE" "${PUBLIC_HOST}" "0" "${KEY}"`);
  });

  await t.step("any number of strangers is shown without a wait for each", async () => {
    const strangers = Array.from(
      { length: MANY_STRANGERS },
      (_, index) => `127.0.0.1 ${1 + index}`,
    );
    await inside.askAll(strangers.map((words) => ["MIGRATE", ...words.split(" "), KEY, "0", "1"]));
    await inside.ask("ECHO", END);
    const shown = await linesOf(watching);
    for (const words of strangers) assertStringIncludes(shown, `"${words.replace(" ", '" "')}"`);
  });
});

interface Scene {
  readonly cluster: RedisCluster;
  readonly proxy: LocalProxy;
  /** The node that is monitored. */
  readonly node: ClusterNode;
  readonly protocol: string;
}

/** Monitors a node through the proxy and straight, and holds one against the other. */
async function compare(scene: Scene): Promise<void> {
  const { cluster, proxy, node, protocol } = scene;
  const port = proxy.portOf(node);
  using one = await WireClient.connect("127.0.0.1", port);
  using two = await WireClient.connect("127.0.0.1", port);
  using inside = await node.connect();
  const clients = new Map([
    [await addressInside(one, inside), one.localAddress],
    [await addressInside(two, inside), two.localAddress],
  ]);
  const sha = textOf(await inside.ask("SCRIPT", "LOAD", scriptOf(cluster.primaries[1]!)))!;
  using watching = await monitor("127.0.0.1", port, protocol);
  using watchingInside = await monitor(node.host, node.port, protocol);

  await one.ask("ECHO", START);
  await talk(scene, one, two);
  await two.ask("EVALSHA", sha, "1", KEY);
  await inside.ask("MIGRATE", ...addressOf(cluster.primaries[1]!), KEY, "0", "1000");
  await inside.ask("GET", KEY);
  if (node.role === "primary") await inside.ask("ECHO", END);
  // A replica is told by a connection of its primary.
  else await cluster.primaries[0]!.order("SET", KEY, END);

  const told = await linesOf(watchingInside);
  const shown = await linesOf(watching);
  const lines = shown.split("\n");
  for (const [index, wanted] of published(told, scene, clients).split("\n").entries()) {
    const line = lines[index];
    assert(line === wanted, `${wanted.slice(0, 500)} is shown as ${line?.slice(0, 500)}`);
  }
  // A replica takes no MIGRATE.
  const nodes = node.role === "primary" ? cluster.primaries.slice(1, 2) : [];
  for (const node of nodes) {
    const words = `"MIGRATE" ${addressOf(node).map((word) => `"${word}"`).join(" ")}`;
    assertMatch(told, new RegExp(`\\[0 lua\\] ${RegExp.escape(words)}`));
    assertEquals(told.split(words).length - 1, 5, told.slice(0, 5000));
  }
  let strange = shown;
  for (const address of clients.values()) {
    assertStringIncludes(shown, `[0 ${address}] "`);
    strange = strange.replaceAll(address, "");
  }
  assertEquals(strange.match(/127\.0\.\d+\.\d+|::1/g), null);
  for (const { host } of cluster.nodes) assert(!strange.includes(host), `${host} is shown`);
}

/** Has requests of all kinds carried out that a monitor is told of, or should not be. */
async function talk({ cluster, proxy }: Scene, one: WireClient, two: WireClient): Promise<void> {
  const other = cluster.primaries[1]!;
  const place = [PUBLIC_HOST, `${proxy.portOf(other)}`];
  await one.ask("SET", KEY, LONG_VALUE);
  await two.ask("SET", KEY, '"\\\r\n\t\x07\b\0\xff');
  await one.ask("MIGRATE", ...place, KEY, "0", "1000");
  await two.ask("MIGRATE", ...place, "", "0", "1000", "KEYS", ...MANY_KEYS);
  await one.send(
    words("MULTI") + words("GET", KEY) + words("MIGRATE", ...place, KEY, "0", "1000") +
      words("CLUSTER", "SLOTS") + words("EXEC"),
  );
  await one.readFrames(5);
  await two.ask("EVAL", "return redis.call('get', KEYS[1])", "1", KEY);
  await two.ask("PING");
  await two.ask("CLUSTER", "MEET", ...place);
  await one.ask("CLIENT", "LIST", "LADDR", two.localAddress);
  await one.ask("CLIENT", "KILL", "ADDR", two.localAddress, "ID", "0");
  await one.ask("CLUSTER", "NODES");
  await two.ask("NOSUCH", ...place);
}

/** A script whose own requests name a node, while it does not. */
function scriptOf({ host, port }: ClusterNode): string {
  const name = `'${host.slice(0, 2)}' .. '${host.slice(2)}'`;
  return `return redis.pcall('MIGRATE', ${name}, '${port}', KEYS[1], '0', '1000')`;
}

/** What MONITOR shows inside, as it should be outside. */
function published(
  told: string,
  { cluster, proxy }: Scene,
  clients: ReadonlyMap<string, string>,
): string {
  let text = told.replace(
    /^(\+\d+\.\d+ \[0 )(\S+):(\d+)\]/gm,
    (_, before, host, port) => {
      return `${before}${clients.get(`${host}:${port}`) ?? `${PUBLIC_HOST}:${port}`}]`;
    },
  );
  for (const node of cluster.nodes) {
    const [host, port] = addressOf(node);
    text = text.replaceAll(
      `"MIGRATE" "${host}" "${port}"`,
      `"MIGRATE" "${PUBLIC_HOST}" "${proxy.portOf(node)}"`,
    );
  }
  return text;
}

/** The address by which its node knows a client of the proxy. */
async function addressInside(client: WireClient, inside: WireClient): Promise<string> {
  const id = textOf(await client.ask("CLIENT", "ID"));
  const lines = textOf(await inside.ask("CLIENT", "LIST"))!.split("\n");
  const line = lines.find((line) => line.startsWith(`id=${id} `));
  return / addr=(\S+) /.exec(line!)![1]!;
}

async function monitor(host: string, port: number, protocol: string): Promise<WireClient> {
  const client = await WireClient.connect(host, port);
  await client.ask("HELLO", protocol);
  await client.send(words("MONITOR"));
  assertEquals(await client.readFrames(1), ["+OK\r\n"]);
  return client;
}

/** The lines from the first one to look at to the last. */
async function linesOf(client: WireClient): Promise<string> {
  const text = await client.readUntil(`"${END}"\r\n`);
  return text.slice(text.lastIndexOf("\n", text.indexOf(`"${START}"`)) + 1);
}

function addressOf({ host, port }: ClusterNode): [host: string, port: string] {
  return [host, `${port}`];
}

function words(...words: string[]): string {
  return toLatin1(encodeRequest(words));
}
