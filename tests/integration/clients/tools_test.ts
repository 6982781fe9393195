import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type ClusterNode, RedisCluster } from "../../support/cluster.ts";
import { type LocalProxy, startProxy } from "../../support/proxy.ts";
import { run } from "../../support/program.ts";
import { TemporaryDirectory } from "../../support/temporary.ts";
import { toolOptions, withTls } from "../../support/tls.ts";
import { unless } from "../../support/unless.ts";
import { wire, WireClient } from "../../support/wire.ts";

const KEYS = Array.from({ length: 30 }, (_, index) => `key:${index}`);

const REQUESTS = "2000";

const DEBUGGED_SCRIPT = `local word = ARGV[1]
redis.call("PING")
word = "result of " .. word
return word
`;

/** Commands of the Lua debugger, some of which are Redis commands, too. */
const DEBUGGER_WORDS = [
  ...["step", "print word", "info", "cluster nodes", "redis ping", "break 3"],
  ...["continue", "list", "continue"],
];

/** The same, with words after which redis-cli would hang. */
const RAW_DEBUGGER_WORDS = ["monitor", "subscribe x", "sunsubscribe x", ...DEBUGGER_WORDS];

/** Not with Redis 7.0.15. */
const NO_FORK = withTls("nodes", "a forked debugger closes the connection");

Deno.test("the tools of the server work through the proxy", async (t) => {
  await using cluster = await RedisCluster.start();
  await using proxy = await startProxy(cluster);
  const { host } = proxy;
  const all = addressesOf(proxy, cluster.nodes);
  const primaries = addressesOf(proxy, cluster.primaries);
  const port = `${proxy.portOf(cluster.nodes[0]!)}`;

  for (const protocol of ["-2", "-3"]) {
    await t.step(`redis-cli -c ${protocol} follows redirects`, async () => {
      const commands = KEYS.flatMap((key) => [`SET ${key} ${key}`, `GET ${key}`]);
      const words = ["redis-cli", ...toolOptions(), "-c", protocol, "-h", host, "-p", port];
      const { code, output } = await run(words, commands.map((line) => `${line}\n`).join(""));
      assertEquals(code, 0, output);
      assertEquals(namedIn(output), primaries);
      const answers = output.replaceAll(/^-> Redirected .*\n/gm, "");
      assertEquals(answers, KEYS.map((key) => `OK\n${key}\n`).join(""));
    });

    await t.step(`redis-benchmark --cluster ${protocol} finds all primaries`, async () => {
      for (const pipeline of ["1", "16"]) {
        const { code, output } = await run([
          ...["redis-benchmark", ...toolOptions(), "--cluster", "-h", host, "-p", port, "-q"],
          ...["-t", "set,get", "-n", REQUESTS, "-P", pipeline, "-r", "1000"],
          // RESP2 is its default and has no flag.
          ...protocol === "-3" ? [protocol] : [],
        ]);
        assertEquals(code, 0, output);
        assert(!/error/i.test(output), output);
        assertEquals(namedIn(output), primaries);
        for (const command of ["SET", "GET"]) {
          assert(
            output.includes(`${command}: `) && output.includes(" requests per second"),
            output,
          );
        }
      }
    });
  }

  for (const mode of ["--ldb", "--ldb-sync-mode"]) {
    const name = `redis-cli ${mode} has the same session as on a direct connection`;
    await t.step(unless(mode === "--ldb" ? NO_FORK : undefined, name, async () => {
      const node = cluster.primaries[0]!;
      await using directory = await TemporaryDirectory.create();
      const script = directory.at("script.lua");
      await Deno.writeTextFile(script, DEBUGGED_SCRIPT);
      const debug = (options: string[], at: string, atPort: number) => {
        const cli = ["redis-cli", ...options, "-h", at, "-p", `${atPort}`, mode];
        const words = DEBUGGER_WORDS.map((word) => `${word}\n`).join("");
        return run([...cli, "--eval", script, ",", "word"], words);
      };
      const straight = await debug(toolOptions("nodes"), node.host, node.port);
      for (const shown of ["Lua debugging session", '<value> "word"', "result of word"]) {
        assertStringIncludes(straight.output, shown);
      }
      assertEquals(await debug(toolOptions(), host, proxy.portOf(node)), straight);
    }));
  }

  await t.step(unless(NO_FORK, "the Lua debugger gets its commands unchanged", async () => {
    const node = cluster.primaries[0]!;
    const straight = await debugRaw(await node.connect());
    assertStringIncludes(straight, "result of word");
    const client = await WireClient.connect(host, proxy.portOf(node));
    assertEquals(await debugRaw(client), straight);
  }));

  /** Runs `redis-cli --cluster`, and returns its output, which must name just these addresses. */
  async function manage(named: Set<string>, command: string, ...words: string[]) {
    const cli = ["redis-cli", ...toolOptions(), "--cluster", command, `${host}:${port}`];
    const { code, output } = await run([...cli, ...words]);
    assertEquals(code, 0, output);
    assertEquals(namedIn(output), named);
    return output;
  }

  await t.step("redis-cli --cluster check, info and call find all nodes", async () => {
    const checked = await manage(all, "check");
    assertStringIncludes(checked, "[OK] All nodes agree about slots configuration.");
    assertStringIncludes(checked, "[OK] All 16384 slots covered.");
    // Valkey says primaries.
    assertMatch(await manage(primaries, "info"), / keys in 3 (masters|primaries)\./);
    const called = await manage(all, "call", "ping");
    assertEquals(called.match(/: PONG$/gm)?.length, cluster.nodes.length, called);
  });
});

/** All output of a debugger session. */
async function debugRaw(connected: WireClient): Promise<string> {
  using client = connected;
  await client.ask("SCRIPT", "DEBUG", "YES");
  await client.send(wire("EVAL", DEBUGGED_SCRIPT, "0", "word"));
  let received = "";
  for (const line of RAW_DEBUGGER_WORDS) {
    received += await client.readFrames(1);
    await client.send(wire(...line.split(" ")));
  }
  return received + await client.readToEnd();
}

function addressesOf(proxy: LocalProxy, nodes: readonly ClusterNode[]): Set<string> {
  return new Set(nodes.map((node) => `${proxy.host}:${proxy.portOf(node)}`));
}

/** All addresses in a text. */
function namedIn(text: string): Set<string> {
  return new Set(text.match(/\d+\.\d+\.\d+\.\d+:\d+/g));
}
