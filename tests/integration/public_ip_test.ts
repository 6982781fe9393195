import { assertEquals } from "@std/assert";
import { itemsOf, textOf, type Value } from "../../src/resp/frame.ts";
import { RedisCluster } from "../support/cluster.ts";
import { configure, named, namedOrNot } from "../support/endpoints.ts";
import { type LocalProxy, startProxy } from "../support/proxy.ts";
import { WireClient } from "../support/wire.ts";
import { IoredisClient } from "./clients/ioredis.ts";

/** The public host resolves nowhere. */
const [NAME, IP] = ["nat.example", "127.0.0.1"];

/** Requests whose replies have addresses, and a key of another node. */
const REQUESTS = [
  ...["CLUSTER SLOTS", "CLUSTER SHARDS", "CLUSTER NODES", "ROLE", "INFO replication"],
  ...["GET a", "GET b"],
];

Deno.test("with a public IP address replies are those of a server with a host name", async (t) => {
  await using cluster = await RedisCluster.start();
  await using proxy = await startProxy(cluster, { publicHost: NAME, publicIp: IP });
  const shown = new Map<string, string>();
  for (const hostname of [named, namedOrNot]) {
    for (const type of ["ip", "hostname", "unknown-endpoint"] as const) {
      await t.step(`the names are ${hostname.name} and endpoints are ${type}`, async () => {
        await configure(cluster, { type, hostname });
        for (const node of cluster.nodes) {
          using client = await WireClient.connect(IP, proxy.portOf(node));
          using straight = await node.connect();
          for (const request of ["HELLO 2", ...REQUESTS, "HELLO 3", ...REQUESTS]) {
            const [reply, wanted] = await Promise.all([client, straight].map(async (one) => {
              return stable(await one.ask(...request.split(" ")));
            }));
            if (request.startsWith("HELLO")) continue;
            const key = `${node.id} ${type} ${request} ${reply!.includes("%")}`;
            // Nodes without a name are shown as if they had one.
            if (hostname === named) shown.set(key, published(wanted!, cluster, proxy));
            assertEquals(reply, shown.get(key), key);
          }
        }
      });
    }
  }

  await t.step("ioredis, which goes by CLUSTER SLOTS, connects to the IP address", async () => {
    await configure(cluster, { type: "ip", hostname: namedOrNot });
    const seed = { host: IP, port: proxy.portOf(cluster.nodes[0]!), protocol: 2 } as const;
    await using client = await IoredisClient.connect(seed);
    for (const key of ["a", "b", "c"]) {
      assertEquals(await client.command(key, "SET", key, key), "OK");
    }
    const wanted = cluster.nodes.map((node) => `${IP}:${proxy.portOf(node)}`);
    assertEquals([...client.addresses].sort(), wanted.sort());
  });
});

/** A reply as JSON, without what changes from one moment to the next; a null is a null. */
function stable(reply: Value): string {
  return JSON.stringify(plain(reply))
    .replaceAll(/("replication-offset",)"\d+"/g, "$1")
    .replaceAll(/ \d+ \d+ (\d+ connected)/g, " $1")
    .replaceAll(/("(?:master|connected)",)"\d+"/g, "$1")
    .replaceAll(/(\[("[\d.]+",){2})"\d+"\]/g, "$1]")
    .replaceAll(/\\r\\n(?!slave\d|master_(host|port))[^\\]*/g, "")
    .replaceAll(/,offset=\d+,lag=\d+/g, "");
}

function plain(value: Value): unknown {
  const items = itemsOf(value);
  if (items === undefined) return value.type === "_" ? null : textOf(value) ?? null;
  return value.type === "%" ? ["%", ...items.map(plain)] : items.map(plain);
}

/** A reply of a node whose endpoints all have a name, as clients of the proxy are to get it. */
function published(reply: string, cluster: RedisCluster, proxy: LocalProxy): string {
  let text = reply.replaceAll(/node-\d\.internal/g, NAME)
    .replaceAll(/^"((?:MOVED|ASK) \d+ ):/g, `"$1${NAME}:`)
    .replaceAll('"endpoint",""', `"endpoint","${NAME}"`)
    .replaceAll("[null,", `["${NAME}",`);
  for (const node of cluster.nodes) {
    text = text.replaceAll(new RegExp(`\\b${node.host.replaceAll(".", "\\.")}\\b`, "g"), IP)
      .replaceAll(new RegExp(`\\b${node.port}\\b`, "g"), `${proxy.portOf(node)}`);
  }
  return text;
}
