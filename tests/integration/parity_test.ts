import { assert, assertEquals } from "@std/assert";
import { type ClusterNode, RedisCluster } from "../support/cluster.ts";
import { type LocalProxy, startProxy } from "../support/proxy.ts";
import { wire, WireClient } from "../support/wire.ts";

/** Looks like a redirect and is none, wherever it stands. */
const DECOY = "MOVED 1 10.0.0.1:7000";

const END = "THE-END";

/**
 * The same bytes go to a node straight and through the proxy, and the same bytes come back but
 * for the addresses. The public host is given as many characters as the private ones have, and
 * all ports have five, so that nothing else need differ: no length, no count.
 */
class Parity {
  readonly #cluster: RedisCluster;
  readonly #proxy: LocalProxy;
  readonly node: ClusterNode;

  constructor(cluster: RedisCluster, proxy: LocalProxy) {
    this.#cluster = cluster;
    this.#proxy = proxy;
    this.node = cluster.nodes[0]!;
  }

  static publicHost(cluster: RedisCluster): string {
    return cluster.nodes[0]!.host.replace(/\d$/, "9");
  }

  async answers(requests: string): Promise<{ straight: string; proxied: string }> {
    const { node } = this;
    const straight = await this.#talk(node.host, node.port, requests);
    const proxied = await this.#talk("127.0.0.1", this.#proxy.portOf(node), requests);
    return { straight: masked(this.#published(straight)), proxied: masked(proxied) };
  }

  async #talk(host: string, port: number, requests: string): Promise<string> {
    await this.node.ask("FLUSHALL");
    using client = await WireClient.connect(host, port);
    await client.send(requests);
    try {
      return await client.readUntil(`${END}\r\n`);
    } catch {
      // Where the connection was closed, this is what came before.
      return await client.readToEnd();
    }
  }

  /** What a straight answer should become. */
  #published(text: string): string {
    for (const node of this.#cluster.nodes) {
      const port = new RegExp(`(?<![\\d@])${node.port}(?!\\d)`, "g");
      text = text.replace(port, String(this.#proxy.portOf(node)));
      text = text.replaceAll(node.host, this.#proxy.host);
    }
    return text;
  }
}

/** Without what differs from one connection, or one moment, to the next. */
function masked(text: string): string {
  return text
    .replace(/\+\d+\.\d+ \[0 [^\]]*\]/g, "+TIME [0 ADDRESS]")
    .replace(/\$2\r\nid\r\n:\d+/g, "$2\r\nid\r\n:ID");
}

const STATE_AND_MARK = wire("RESET") + wire("ECHO", END);

Deno.test("every kind of request gets the same reply directly and through the proxy", async (t) => {
  await using cluster = await RedisCluster.start();
  await using proxy = await startProxy(cluster, { publicHost: Parity.publicHost(cluster) });
  const parity = new Parity(cluster, proxy);
  const other = cluster.nodes[1]!;

  const cases: Record<string, string> = {
    "a redirect": wire("GET", "foo"),
    "CLUSTER SLOTS": wire("CLUSTER", "SLOTS"),
    "CLUSTER SLOTS in RESP3": wire("HELLO", "3") + wire("CLUSTER", "SLOTS"),
    "an inline CLUSTER SLOTS in odd letters": "cLuster  'slots'\r\n",
    "CLUSTER REPLICAS of no node": wire("CLUSTER", "REPLICAS", "nobody"),
    "a transaction with addresses": wire("MULTI") + wire("SET", "a{b}", "1") +
      wire("CLUSTER", "SLOTS") + wire("LPUSH", "a{b}", "x") + wire("GET", "a{b}") +
      wire("EXEC"),
    "a redirect in place of QUEUED": wire("MULTI") + wire("GET", "foo") + wire("EXEC"),
    "a change of protocol in a transaction": wire("MULTI") + wire("HELLO", "3") +
      wire("CLUSTER", "SLOTS") + wire("EXEC"),
    "subscriptions in a transaction": wire("MULTI") + wire("SUBSCRIBE", "a", "b") + wire("EXEC"),
    "replies turned off in a transaction": wire("MULTI") + wire("CLIENT", "REPLY", "OFF") +
      wire("PING") + wire("EXEC") + wire("CLIENT", "REPLY", "ON") + wire("CLUSTER", "SLOTS"),
    "a reply skipped in a transaction": wire("MULTI") + wire("CLIENT", "REPLY", "SKIP") +
      wire("PING") + wire("EXEC") + wire("CLUSTER", "SLOTS") + wire("CLUSTER", "SLOTS"),
    "a key named CLUSTER": wire("SET", "CLUSTER{b}", "SLOTS") + wire("GET", "CLUSTER{b}"),
    "a value like a redirect": wire("SET", "a{b}", `-${DECOY}\r\n`) + wire("GET", "a{b}"),
    "a script's own error": wire("EVAL", `return redis.error_reply('${DECOY}')`, "0"),
    "a script's own error about a key": wire(
      "EVAL",
      `return redis.error_reply('${DECOY}')`,
      "1",
      "a{b}",
    ),
    "a script's error inside its result": wire(
      "EVAL",
      `return {1, redis.error_reply('${DECOY}')}`,
      "0",
    ),
    "a redirect in the error of a MIGRATE": wire("SET", "a{b}", "1") +
      wire("MIGRATE", other.host, `${other.port}`, "a{b}", "0", "1000"),
    "messages to oneself": wire("HELLO", "3") + wire("SUBSCRIBE", "a") +
      wire("MULTI") + wire("PUBLISH", "a", "m") + wire("CLUSTER", "SLOTS") + wire("EXEC"),
    "monitored transactions": wire("MONITOR") + wire("MULTI") + wire("PING") +
      wire("CLUSTER", "SLOTS") + wire("EXEC"),
    "tracking": wire("HELLO", "3") + wire("CLIENT", "TRACKING", "ON") + wire("GET", "a{b}") +
      wire("SET", "a{b}", "1") + wire("CLUSTER", "SLOTS"),
    "attributes": wire("DEBUG", "PROTOCOL", "attrib") + wire("CLUSTER", "SLOTS"),
    "ids only": wire("CLUSTER", "MYID") + wire("CLUSTER", "COUNT-FAILURE-REPORTS", other.id),
  };
  for (const [name, requests] of Object.entries(cases)) {
    await t.step(name, async () => {
      const { straight, proxied } = await parity.answers(requests + STATE_AND_MARK);
      assertEquals(proxied, straight);
    });
  }

  await t.step(
    "texts that change by the second are answered without a private address",
    async () => {
      using client = await WireClient.connect("127.0.0.1", proxy.portOf(cluster.nodes[0]!));
      const queries = [
        ["CLUSTER", "NODES"],
        ["CLUSTER", "SHARDS"],
        ["CLUSTER", "REPLICAS", cluster.nodes[0]!.id],
        ["CLUSTER", "SLAVES", cluster.nodes[0]!.id],
        ["ROLE"],
        ["INFO"],
        ["INFO", "replication"],
        ["CLIENT", "LIST"],
        ["CLIENT", "INFO"],
      ];
      for (const hello of ["2", "3"]) {
        await client.ask("HELLO", hello);
        for (const query of queries) {
          await client.send(wire(...query));
          const [frame] = await client.readFrames(1);
          for (const node of cluster.nodes) {
            const shown = `${query.join(" ")} in RESP${hello} shows ${node.address}: ${frame}`;
            assert(node.host === "127.0.0.1" || !frame!.includes(node.host), shown);
            // Among so many numbers of INFO any may be the same by chance.
            assert(!new RegExp(`(\\.\\d+|port)[:=]${node.port}(?!\\d)`).test(frame!), shown);
          }
        }
      }
    },
  );
});
