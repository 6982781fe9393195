import { assert, assertEquals, assertMatch } from "@std/assert";
import { DCLinter } from "dclint";
import { fileURLToPath } from "node:url";
import project from "../../deno.json" with { type: "json" };
import { OPTIONS } from "../../src/cli/options.ts";
import { COMPOSE_FILE, environmentOf, readCompose } from "../support/compose.ts";
import { Composition } from "../support/composition.ts";
import { fetchModules, Namespace } from "../support/namespace.ts";
import { TemporaryDirectory } from "../support/temporary.ts";
import { until } from "../support/until.ts";

const NODES = [1, 2, 3, 4, 5, 6].map((number) => `redis-${number}`);

const KEYS = Array.from({ length: 30 }, (_, index) => `key:${index}`);

/** Matters of order and taste, and two that are meant so here. */
const RULES_OFF = [
  ...["service-keys-order", "services-alphabetical-order", "top-level-properties-order"],
  "require-quotes-in-ports",
  // Together they build the image under a name.
  "no-build-and-image",
  // A variable says which interface; see the test of ports.
  "no-unbound-port-interfaces",
];

Deno.test("compose.yaml follows the Compose Specification and the linter", () => {
  const rules = Object.fromEntries(RULES_OFF.map((rule) => [rule, 0 as const]));
  const linter = new DCLinter({ rules, quiet: false, debug: false, exclude: [] });
  const results = linter.lintFiles([fileURLToPath(COMPOSE_FILE)], false);
  assertEquals(results.length, 1);
  const found = results[0]!.messages.map(({ line, rule, message }) =>
    `${line}: ${message} (${rule})`
  );
  assertEquals(found, []);
});

Deno.test("the proxy of compose.yaml takes every setting by its variable", async () => {
  const all = OPTIONS.flatMap(({ variable }) => variable ?? []);
  const env = Object.fromEntries(all.map((variable) => [variable, `value of ${variable}`]));
  const { proxy } = (await readCompose(env)).services;
  assertEquals(Object.keys(proxy!.environment).sort(), all.sort());
  assertEquals(environmentOf(proxy!, env), env);
  assertEquals(environmentOf((await readCompose({})).services.proxy!, {}), {
    LISTEN_ADDR: ":8000",
    CLUSTER_ADDR: NODES.join(","),
    PUBLIC_HOST: "127.0.0.1",
    MAX_NODES: "6",
    PORT_MAP: NODES.map((node, index) => `${node}:6379=${8000 + index}`).join(","),
  });
});

Deno.test("nothing but the proxy can be reached from outside, on its ports alone", async () => {
  const { services, networks } = await readCompose({});
  assertEquals(Object.keys(services).sort(), [...NODES, "create-cluster", "proxy"].sort());
  assertEquals(networks, { private: { internal: true }, public: null });
  for (const [name, { networks, ports }] of Object.entries(services)) {
    const isProxy = name === "proxy";
    assertEquals(networks, isProxy ? ["private", "public"] : ["private"], name);
    assertEquals(ports, isProxy ? ["127.0.0.1:8000-8005:8000-8005"] : undefined, name);
  }
  const { proxy } = (await readCompose({ PUBLISH_ADDR: "0.0.0.0" })).services;
  assertEquals(proxy!.ports, ["0.0.0.0:8000-8005:8000-8005"]);
});

Deno.test("no command of compose.yaml has the password among its words", async () => {
  const password = "secret";
  const { services } = await readCompose({ CLUSTER_PASSWORD: password });
  for (const [name, { command = [], healthcheck }] of Object.entries(services)) {
    const words = [...command, ...healthcheck?.test ?? []];
    assert(!words.some((word) => word.includes(password)), name);
  }
});

Deno.test("the proxy of compose.yaml has a volume where the image lets it write", async () => {
  const { proxy } = (await readCompose({})).services;
  assertEquals(proxy!.volumes, ["proxy:/data"]);
});

Deno.test("the images of compose.yaml have versions, the proxy's that of the project", async () => {
  const { services } = await readCompose({});
  for (const { image } of Object.values(services)) assertMatch(image, /:\d+\.\d+\.\d+(-[\w.]+)?$/);
  assertEquals(services.proxy!.image, `redis-cluster-nat:${project.version}`);
});

const hindrance = await Namespace.hindrance();

Deno.test({
  name: "the services of compose.yaml make a cluster that is there again after every start" +
    (hindrance === undefined ? "" : ` (SKIPPED: ${hindrance})`),
  ignore: hindrance !== undefined,
  fn: async (t) => {
    await fetchModules(fileURLToPath(new URL("../../src/main.ts", import.meta.url)));
    await using volumes = await TemporaryDirectory.create();

    await t.step("a first start makes the cluster, and the proxy's ports are as said", async () => {
      await using composition = await Composition.up({ env: {}, network: "10.78.1.", volumes });
      const expected = NODES.map((node, index) => [`${node}:6379`, 8000 + index] as const);
      // Pinned ports serve before the cluster is found.
      await until("all ports are told", () => composition.mapping.size === NODES.length);
      assertEquals(composition.mapping, new Map(expected));
      const { code, output } = await use(composition, (key) => `SET ${key} value-of-${key}`);
      assertEquals(code, 0);
      assertEquals(output, KEYS.map(() => "OK\n").join(""));

      const { code: again, output: said } = await composition.runOnce("create-cluster");
      assertEquals(again, 0, said);
      assert(!said.includes("Performing hash slots allocation"), said);
      await assertKept(composition);
    });

    await t.step("a start at other addresses, with a password, finds it again", async () => {
      // What the server's configuration has quotes and backslashes for.
      const password = 'se"cr\\et $1';
      const env = { CLUSTER_PASSWORD: password };
      await using composition = await Composition.up({ env, network: "10.78.2.", volumes });
      await assertKept(composition, "--no-auth-warning", "-a", password);
    });
  },
});

/** Sends a command for each key from where Docker publishes the proxy's ports. */
async function use(composition: Composition, command: (key: string) => string, ...more: string[]) {
  const outcome = await composition.exec(
    "proxy",
    ["redis-cli", "-c", "-p", "8000", ...more],
    KEYS.map((key) => `${command(key)}\n`).join(""),
  );
  const redirects = [...outcome.output.matchAll(/^-> Redirected .* at (\S+)\n/gm)];
  for (const [, address] of redirects) assertMatch(address!, /^127\.0\.0\.1:800[0-5]$/);
  assert(redirects.length > 0, outcome.output);
  return { ...outcome, output: outcome.output.replaceAll(/^-> Redirected .*\n/gm, "") };
}

async function assertKept(composition: Composition, ...more: string[]): Promise<void> {
  await until("all ports are told", () => composition.mapping.size === NODES.length);
  const { code, output } = await use(composition, (key) => `GET ${key}`, ...more);
  assertEquals(code, 0, output);
  assertEquals(output, KEYS.map((key) => `value-of-${key}\n`).join(""));
}
