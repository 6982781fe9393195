import { assertEquals, assertMatch } from "@std/assert";
import { Namespace } from "../../support/namespace.ts";
import type { Program } from "../../support/program.ts";
import { TemporaryDirectory } from "../../support/temporary.ts";
import { unless } from "../../support/unless.ts";
import { blockMarked } from "./blocks.ts";
import { CLIENTS, prepareClient, type PreparedClient } from "./clients.ts";
import { ReadmeNetwork } from "./network.ts";

/** The slot of the key `greeting`, its node and another one. */
const [SLOT, SOURCE, TARGET] = ["12714", "172.23.0.4:7002", "172.23.0.3:7001"];

/** How clients print that the certificate has another name; ioredis does not print the reason. */
const REFUSAL = new RegExp(
  "ClusterAllFailedError|not match certificate's altnames|Hostname mismatch|" +
    "No subject alternative DNS name|certificate is valid for other.example.com",
);

/** Lettuce first waits for name servers, which this network has not. */
const REFUSAL_DEADLINE_MS = 60_000;

Deno.test(unless(
  await Namespace.hindrance(),
  "clients of all kinds verify one certificate for the public host",
  async (t) => {
    await using directory = await TemporaryDirectory.create();
    await using network = await ReadmeNetwork.create(true);
    const stores = await network.run("between", await commandOf("tls-stores"));
    const clients: PreparedClient[] = await Promise.all(
      Object.keys(CLIENTS).map(async (name) =>
        await prepareClient(name, await snippetOf(name), directory)
      ),
    );
    const withoutStores = stores.code === 0 ? undefined : stores.output.trim();

    await t.step("the certificate of the recipe", async (t) => {
      await using _proxy = await startProxy(network, await commandOf("tls"));
      const importing = await moveSlot(network);

      await t.step("redis-cli", async () => {
        const cli = await commandOf("tls-redis-cli");
        const { code, output } = await network.run("outside", cli, "SET oslo Norway\nGET oslo\n");
        assertEquals(code, 0, output);
        assertEquals(
          output,
          "-> Redirected to slot [8042] located at redis.example.com:8001\nOK\nNorway\n",
        );
      });

      for (const { name, words, hindrance } of clients) {
        const reason = hindrance ?? (name === "Jedis" ? withoutStores : undefined);
        await t.step(unless(reason, `${name}, also while a slot moves`, async () => {
          const { code, output } = await network.run("outside", commandLine(words));
          assertEquals(code, 0, output);
          assertMatch(output, /\bhello$/m);
        }));
      }
      await importing[Symbol.asyncDispose]();
    });

    await t.step("not a certificate for another host", async (t) => {
      const command = (await commandOf("tls")).replaceAll(
        /redis\.example\.com\.(crt|key)/g,
        "other.example.com.$1",
      );
      await using proxy = await startProxy(network, command);
      await Promise.all(clients.map(async ({ name, words, hindrance }) => {
        if (hindrance !== undefined) return;
        await using client = network.open("outside", commandLine(words));
        const isRefused = () => REFUSAL.test(client.stdout + client.stderr);
        await client.until(`of ${name} refuses the proxy`, isRefused, REFUSAL_DEADLINE_MS);
      }));
      await t.step("which is a warning at the start", () => {
        assertMatch(proxy.stderr, /WARN .*redis\.example\.com/);
      });
    });
  },
));

async function commandOf(name: string): Promise<string> {
  return (await blockMarked(`command: ${name}`)).text;
}

/** The snippet with TLS: the rest is that without TLS. */
async function snippetOf(name: string): Promise<string> {
  const plain = (await blockMarked(`client: ${name}`)).text;
  const head = (await blockMarked(`client with TLS: ${name}`)).text;
  return head + plain.slice(plain.search(/^.*\bset\(/im));
}

function commandLine(words: readonly string[]): string {
  return words.map((word) => `'${word}'`).join(" ") + "\n";
}

async function startProxy(network: ReadmeNetwork, command: string): Promise<Program> {
  const { program } = await network.start(
    "between",
    command,
    (stdout) => stdout.match(/^Listening on: /gm)?.length === 3 || undefined,
  );
  return program;
}

/** Has a slot on its way to another node until the block ends, so that its clients get ASK. */
async function moveSlot(network: ReadmeNetwork): Promise<AsyncDisposable> {
  const order = async (node: string, ...words: string[]) => {
    const [host, port] = node.split(":");
    const tls = "--tls --cacert nodes-ca.crt --cert proxy.crt --key proxy.key";
    const cli = `redis-cli ${tls} -h ${host} -p ${port} cluster ${words.join(" ")}\n`;
    const { output } = await network.run("between", cli);
    return output.trim();
  };
  const [source, target] = [await order(SOURCE!, "myid"), await order(TARGET!, "myid")];
  assertEquals(await order(TARGET!, "setslot", SLOT!, "importing", source), "OK");
  assertEquals(await order(SOURCE!, "setslot", SLOT!, "migrating", target), "OK");
  return {
    async [Symbol.asyncDispose]() {
      for (const node of [SOURCE!, TARGET!]) await order(node, "setslot", SLOT!, "stable");
    },
  };
}
