import { assert, assertEquals } from "@std/assert";
import { textOf } from "../../src/resp/frame.ts";
import { RedisCluster } from "../support/cluster.ts";
import { Logged } from "../support/logged.ts";
import { NatProcess } from "../support/nat_process.ts";
import { startProxy } from "../support/proxy.ts";
import { PING, PONG, Scene } from "../support/scripted_node.ts";
import { TemporaryDirectory } from "../support/temporary.ts";
import { until } from "../support/until.ts";
import { wire, WireClient } from "../support/wire.ts";

const AT = "127.0.0.1";

/** What a client gets that the proxy could not log in. */
const REFUSAL = "-NOAUTH The proxy could not log in at the node; see the log of the proxy\r\n";

const LOGIN = { username: "app", password: "one" };

const AUTH = wire("AUTH", "app", "one");

const BAD_LOGIN = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";

/** Sets the password of a user on every node. */
async function setUser(cluster: RedisCluster, name: string, password: string): Promise<void> {
  for (const node of cluster.nodes) {
    await node.order("ACL", "SETUSER", name, "reset", "on", `>${password}`, "~*", "&*", "+@all");
  }
}

for (const threads of [1, 2]) {
  Deno.test({
    name: `--login logs clients in that do not log in themselves, with ${threads} threads`,
    ignore: threads > 1 && Deno.build.os !== "linux",
    fn: async () => {
      await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
      const [node] = cluster.nodes;
      await setUser(cluster, "app", "one");
      await setUser(cluster, "other", "two");
      const flags = ["--login", "--username=app", "--password=one", `--threads=${threads}`];
      await using nat = await NatProcess.serve(node!, flags);
      // The kernel spreads connections over the threads.
      for (let client = 0; client < 4 * threads; client++) {
        using client = await WireClient.connect(AT, nat.portOf(node!));
        const ask = async (...words: string[]) => textOf(await client.ask(...words));
        assertEquals(await ask("ACL", "WHOAMI"), "app");
        assertEquals(await ask("AUTH", "other", "two"), "OK");
        assertEquals(await ask("ACL", "WHOAMI"), "other");
        assertEquals(await ask("RESET"), "RESET");
        assertEquals(await ask("ACL", "WHOAMI"), "app");
        assertEquals((await client.ask("HELLO", "3", "AUTH", "other", "two")).type, "%");
        assertEquals(await ask("ACL", "WHOAMI"), "other");
        assertEquals((await client.ask("AUTH", "other", "wrong")).type, "-");
        assertEquals(await ask("ACL", "WHOAMI"), "other");
        await client.send(wire("RESET") + wire("ACL", "WHOAMI"));
        assertEquals(await client.readFrames(2), ["+RESET\r\n", "$3\r\napp\r\n"]);
      }
      const line = "Clients are logged in as user app (--login): whoever reaches a public port";
      assert(nat.stderr.includes(line), nat.stderr);
    },
  });
}

Deno.test("a client that the proxy cannot log in gets an error, with one line in the log", async () => {
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const [node] = cluster.nodes;
  await setUser(cluster, "app", "one");
  using logged = new Logged();
  await using proxy = await startProxy(cluster, { login: LOGIN });
  using early = await WireClient.connect(AT, proxy.portOf(node!));
  assertEquals(textOf(await early.ask("ACL", "WHOAMI")), "app");
  await setUser(cluster, "app", "two");
  for (let count = 0; count < 3; count++) {
    using client = await WireClient.connect(AT, proxy.portOf(node!));
    await client.send(PING.repeat(1000));
    assertEquals(await client.readToEnd(), REFUSAL);
  }
  // Its requests after RESET must not run as the default user, who needs no password here.
  await early.send(wire("RESET") + wire("SET", "stolen", "value").repeat(1000));
  assertEquals(await early.readToEnd(), `+RESET\r\n${REFUSAL}`);
  assertEquals(textOf(await node!.ask("EXISTS", "stolen")), "0");
  await until("no session is left", () => proxy.proxy.sessionCount === 0);
  const refused = logged.lines.filter((line) => line.includes("cannot log in"));
  assertEquals(
    refused.map((line) => line.replace(/client \d+ at \S+:/, "client")),
    [
      "error Closing client the proxy cannot log in for it (--login): Node " +
      `${node!.address} refused the user name or the password: WRONGPASS invalid ` +
      "username-password pair",
      "error Closing client the proxy cannot log in for it (--login): The node refused it after " +
      "RESET: WRONGPASS",
    ],
  );
});

Deno.test("a login is over before the first request, and its reply stays with the proxy", async () => {
  await using scene = await Scene.start({ login: LOGIN });
  const { client, peer } = await scene.open();
  await client.send(PING);
  assertEquals(await peer.readUntil(AUTH), AUTH);
  await peer.send("+O");
  await peer.send("K\r\n");
  assertEquals(await peer.readUntil(PING), PING);
  await peer.send(PONG);
  assertEquals(await client.readUntil(PONG), PONG);
});

Deno.test("a client is closed without an error if the node dies during the login", async () => {
  using logged = new Logged();
  await using scene = await Scene.start({ login: LOGIN });
  const { client, peer } = await scene.open();
  assertEquals(await peer.readUntil(AUTH), AUTH);
  peer.close();
  assertEquals(await client.readToEnd(), "");
  const lines = logged.lines.filter((line) => line.includes("client 1"));
  assertEquals(lines.map((line) => line.replace(/127\.\S+:\d+/g, "NODE")), [
    "warning Cannot connect to node NODE, closing client 1: Node NODE failed to reply: the " +
    "connection was closed",
  ]);
});

Deno.test("a proxy that stops does not wait for logins, and logs no error", async () => {
  using logged = new Logged();
  await using scene = await Scene.start({ login: LOGIN });
  const { client, peer } = await scene.open();
  assertEquals(await peer.readUntil(AUTH), AUTH);
  await scene.proxy.proxy.stop();
  assertEquals(await client.readToEnd(), "");
  assertEquals(logged.lines.filter((line) => /^(warning|error)/.test(line)), []);
});

Deno.test("a client that does not read its refusal is closed after a second", async () => {
  await using scene = await Scene.start({ login: LOGIN });
  const { client, peer } = await scene.open();
  assertEquals(await peer.readUntil(AUTH), AUTH);
  await peer.send(BAD_LOGIN);
  await until("the proxy has forgotten it", () => scene.proxy.proxy.sessionCount === 0);
  assertEquals(await client.readToEnd(), REFUSAL);
});

/** How often the password changes. */
const ROTATIONS = 8;

Deno.test("no command fails while the password file changes under load", async () => {
  await using directory = await TemporaryDirectory.create();
  await using cluster = await RedisCluster.start({ primaries: 2, replicasEach: 0 });
  const [node] = cluster.nodes;
  const file = directory.at("password");
  const writePassword = async (password: string) => {
    await Deno.writeTextFile(`${file}.new`, `${password}\n`, { mode: 0o600 });
    await Deno.rename(`${file}.new`, file);
  };
  await setUser(cluster, "app", "password-0");
  await writePassword("password-0");
  const flags = ["--login", "--username=app", `--password-file=${file}`];
  await using nat = await NatProcess.serve(node!, flags);
  const answers = new Map<string, number>();
  let isRotating = true;
  // Each command has a connection of its own, so each one logs in.
  const writers = cluster.nodes.flatMap((node) =>
    [1, 2, 3].map(async () => {
      while (isRotating) {
        using client = await WireClient.connect(AT, nat.portOf(node));
        const answer = textOf(await client.ask("ACL", "WHOAMI"))!;
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
      }
    })
  );
  const count = () => answers.get("app") ?? 0;
  for (let rotation = 1; rotation <= ROTATIONS; rotation++) {
    // As with the tokens of a cloud, the old and the new password overlap.
    const [before, now] = [`password-${rotation - 1}`, `password-${rotation}`];
    for (const node of cluster.nodes) await node.order("ACL", "SETUSER", "app", `>${now}`);
    await writePassword(now);
    const from = count();
    // Each writer has read the new file once all have begun anew.
    await until("all writers go on", () => count() > from + 50);
    for (const node of cluster.nodes) await node.order("ACL", "SETUSER", "app", `<${before}`);
    const after = count();
    await until("all writers go on", () => count() > after + 50);
  }
  isRotating = false;
  await Promise.all(writers);
  assertEquals([...answers.keys()], ["app"]);
  assertEquals(nat.stderr.match(/^\S+ (WARN|ERROR) .*$/gm), null);
});
