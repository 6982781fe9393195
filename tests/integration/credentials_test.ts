import { assert, assertEquals, assertRejects } from "@std/assert";
import { OperatorError } from "../../src/platform/operator_error.ts";
import type { Credentials } from "../../src/cluster/credentials.ts";
import { waitUntilReady } from "../../src/cluster/readiness.ts";
import { ClusterDiscovery } from "../../src/cluster/discovery.ts";
import { textOf } from "../../src/resp/frame.ts";
import { type ClusterNode, RedisCluster } from "../support/cluster.ts";
import { NODE_LINK } from "../support/dialer.ts";
import { Logged } from "../support/logged.ts";
import { startProxy } from "../support/proxy.ts";
import { TemporaryDirectory } from "../support/temporary.ts";
import { until } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";

/** Lets the proxy's user, and nobody else under its name, ask about the cluster. */
async function admit(node: ClusterNode, password: string): Promise<void> {
  const allowed = ["nodes", "info", "shards"].map((name) => `+cluster|${name}`);
  await node.order("ACL", "SETUSER", "nat", "reset", "on", `>${password}`, ...allowed);
}

function credentialsIn(file: string): Credentials {
  return { username: "nat", password: { file } };
}

function discoveryOf({ host, port }: ClusterNode, file: string): ClusterDiscovery {
  const credentials = credentialsIn(file);
  return new ClusterDiscovery({ seeds: [{ host, port }], ...NODE_LINK, credentials });
}

Deno.test("a password file is read for each connection", async (t) => {
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  await using directory = await TemporaryDirectory.create();
  const [node] = cluster.nodes as [ClusterNode];
  const address = { host: node.host, port: node.port };
  const link = directory.at("link");
  const discovery = discoveryOf(node, link);

  async function assertLetIn(): Promise<void> {
    assertEquals((await discovery.queryNodeOrThrow(address)).answeredBy.id, node.id);
  }

  await Deno.writeTextFile(directory.at("one"), "first\n");
  await Deno.symlink(directory.at("one"), link);
  await admit(node, "first");
  await assertLetIn();
  await t.step("its content changes", async () => {
    await admit(node, "second");
    await Deno.writeTextFile(directory.at("one"), "second\n");
    await assertLetIn();
  });
  await t.step("a symlink leads to another file, as in Kubernetes", async () => {
    await admit(node, "third");
    await Deno.writeTextFile(directory.at("two"), "third");
    await Deno.symlink(directory.at("two"), directory.at("new"));
    await Deno.rename(directory.at("new"), link);
    await assertLetIn();
  });
  await t.step("it is empty for a short time", async () => {
    await Deno.writeTextFile(directory.at("two"), "");
    const message = `The password file '${link}' is empty; write a password`;
    await assertRejects(() => discovery.queryNodeOrThrow(address), Error, message);
    await Deno.writeTextFile(directory.at("two"), "third");
    await assertLetIn();
  });
  await t.step("it does not exist", async () => {
    await Deno.remove(link);
    const message = `Cannot read the password file '${link}': No such file`;
    await assertRejects(() => discovery.queryNodeOrThrow(address), Error, message);
  });
});

Deno.test("the start waits until the file has the right password", async () => {
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  await using directory = await TemporaryDirectory.create();
  const [node] = cluster.nodes as [ClusterNode];
  await admit(node, "new");
  const file = directory.at("password");
  await Deno.writeTextFile(file, "old");
  const discovery = discoveryOf(node, file);
  await assertRejects(
    () => waitUntilReady(discovery, 300),
    OperatorError,
    `refused the user name or the password: WRONGPASS invalid username-password pair ` +
      `(password file '${file}') (gave up after 0.3 s, --start-timeout)`,
  );
  const starting = waitUntilReady(discovery, 10_000);
  await Deno.writeTextFile(file, "new");
  assertEquals((await starting).answeredBy.id, node.id);
});

Deno.test("a wrong password is logged as the reason why a node is not found", async () => {
  await using cluster = await RedisCluster.start({ replicasEach: 0 });
  await using directory = await TemporaryDirectory.create();
  const [first, second] = cluster.nodes as [ClusterNode, ClusterNode];
  await Promise.all(cluster.nodes.map((node) => admit(node, "old")));
  const file = directory.at("password");
  await Deno.writeTextFile(file, "old");
  using logged = new Logged();
  await using proxy = await startProxy(cluster, { credentials: credentialsIn(file) });

  // A node that announces another address is not known by it before the cluster has been asked.
  await Promise.all(cluster.nodes.map((node) => admit(node, "new")));
  await second.order("CONFIG", "SET", "cluster-announce-ip", "127.8.8.8");
  await until(
    "the first node redirects there",
    async () => textOf(await first.ask("GET", "c"))!.includes(" 127.8.8.8:"),
  );
  using client = await WireClient.connect(proxy.host, proxy.portOf(first));
  const refused = textOf(await client.ask("GET", "c"))!;
  assert(refused.startsWith("CLUSTERDOWN "), refused);
  await until("the log says why", (saw) => {
    saw(logged.lines.join("\n"));
    return logged.lines.some((line) =>
      /Replied CLUSTERDOWN to client \d+: The proxy cannot query the cluster: /.test(line) &&
      line.includes(`refused the user name or the password: WRONGPASS`) && line.includes(file)
    );
  });

  await Deno.writeTextFile(file, "new");
  await until("the redirect is understood", async () =>
    textOf(await client.ask("GET", "c")) ===
      `MOVED 7365 ${proxy.host}:${proxy.portOf(second)}`);
});
