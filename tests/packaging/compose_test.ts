import { assert, assertEquals, assertMatch } from "@std/assert";
import { DCLinter } from "dclint";
import { join } from "node:path";
import { parse } from "yaml";
import { OPTIONS } from "../../src/cli/options.ts";
import { ROOT } from "../support/compiler.ts";
import { missingHaProxy } from "../support/haproxy.ts";
import { fetchModules, Namespace } from "../support/namespace.ts";
import { NatProcess } from "../support/nat_process.ts";
import { Program, run } from "../support/program.ts";
import { TemporaryDirectory } from "../support/temporary.ts";
import { unless } from "../support/unless.ts";
import { until } from "../support/until.ts";

const COMPOSE_FILE = join(ROOT, "compose.yaml");

const NODES = [1, 2, 3, 4, 5, 6].map((number) => `redis-${number}`);

const KEYS = Array.from({ length: 30 }, (_, index) => `key:${index}`);

/** A node that is down fails its health check at once. */
const HEALTH_DEADLINE_MS = 60_000;

/** Rules of order and taste, and two that this file breaks on purpose. */
const RULES_OFF = [
  ...["service-keys-order", "services-alphabetical-order", "top-level-properties-order"],
  "require-quotes-in-ports",
  // Both together build the image under a name.
  "no-build-and-image",
  // A variable sets the interface.
  "no-unbound-port-interfaces",
];

/** What the tests use of a service. */
interface Service {
  readonly command: readonly string[];
  /** A variable without a value passes on that of Compose. */
  readonly environment?: Readonly<Record<string, string | null>>;
  /** What Docker publishes, in the short form. */
  readonly ports: readonly string[];
  readonly healthcheck: { readonly test: readonly string[] };
}

/** The parts of the file that the tests use. */
interface ComposeFile {
  readonly services: Readonly<Record<string, Service>>;
  readonly configs: Readonly<Record<string, { readonly content: string }>>;
}

/** Reads the file, with `${NAME:-default}`, `${NAME-default}` and `$$` as in Compose. */
async function readCompose(env: Record<string, string>): Promise<ComposeFile> {
  const fill = (text: string) =>
    text.replaceAll(/\$(?:(\$)|\{(\w+)(:?)-([^}]*)\})/g, (_, dollar, name, colon, fallback) => {
      return dollar ?? (colon ? env[name] || fallback : env[name] ?? fallback);
    });
  const reviver = (_: unknown, value: unknown) => typeof value === "string" ? fill(value) : value;
  return parse(await Deno.readTextFile(COMPOSE_FILE), reviver, { merge: true });
}

Deno.test("compose.yaml follows the Compose Specification and the linter", () => {
  const rules = Object.fromEntries(RULES_OFF.map((rule) => [rule, 0 as const]));
  const linter = new DCLinter({ rules, quiet: false, debug: false, exclude: [] });
  const results = linter.lintFiles([COMPOSE_FILE], false);
  assertEquals(results.map(({ messages }) => messages), [[]]);
});

Deno.test("compose.yaml passes every option on to the proxy", async () => {
  const { services: { proxy } } = await readCompose({});
  const variables = OPTIONS.flatMap(({ env }) => env ?? []);
  assertEquals(Object.keys(proxy!.environment!).sort(), variables.sort());
});

/** The commands of compose.yaml, each in a network namespace that holds the container's address. */
class Services implements AsyncDisposable {
  readonly #services: ComposeFile["services"];
  readonly #configs: ComposeFile["configs"];
  readonly #env: Readonly<Record<string, string>>;
  readonly #volumes: TemporaryDirectory;
  readonly #stack = new AsyncDisposableStack();
  readonly #namespaces = new Map<string, Namespace>();
  proxy!: NatProcess;

  constructor(
    { services, configs }: ComposeFile,
    env: Readonly<Record<string, string>>,
    volumes: TemporaryDirectory,
  ) {
    this.#services = services;
    this.#configs = configs;
    this.#env = env;
    this.#volumes = volumes;
  }

  /** Starts all services in the order of `depends_on`; `network` is the first three numbers. */
  async up(network: string): Promise<void> {
    const names = Object.keys(this.#services);
    const addresses = names.map((name, index) => [name, `${network}.${index + 2}`] as const);
    const middle = this.#stack.use(await Namespace.create("switch"));
    for (const [name, address] of addresses) {
      const namespace = this.#stack.use(await Namespace.create(name));
      this.#namespaces.set(name, namespace);
      await middle.connect(namespace, { name, here: [], there: [`${address}/24`] });
      await namespace.name({ localhost: "127.0.0.1", ...Object.fromEntries(addresses) });
    }
    await middle.join(...names);
    for (const node of NODES) {
      await Deno.mkdir(this.#volumes.at(node), { recursive: true });
      const command = this.#inside(node, this.#services[node]!.command);
      const { program } = await Program.start(command, () => true, HEALTH_DEADLINE_MS);
      this.#stack.use(program);
    }
    for (const node of NODES) {
      const [, check] = this.#services[node]!.healthcheck.test;
      await until(`${node} is healthy`, async (saw) => {
        const outcome = await this.run(node, ["sh", "-c", check!]);
        saw(outcome);
        return outcome.code === 0;
      }, HEALTH_DEADLINE_MS);
    }
    const { code, output } = await this.createCluster();
    assertEquals(code, 0, output);
    this.proxy = await this.#startProxy("proxy");
  }

  /** Starts the services of the profile `several`. */
  async upSeveral(): Promise<void> {
    await Promise.all(["proxy-1", "proxy-2"].map((name) => this.#startProxy(name)));
    const file = this.#volumes.at("haproxy.cfg");
    await Deno.writeTextFile(file, this.#configs["haproxy"]!.content);
    const { before } = this.#namespaces.get("haproxy")!;
    this.#stack.use(new Program([...before, "haproxy", "-db", "-f", file]));
  }

  async #startProxy(name: string): Promise<NatProcess> {
    const { before } = this.#namespaces.get(name)!;
    const proxy = this.#stack.use(new NatProcess([], { before, env: this.#environment(name) }));
    return await proxy.untilMapped(NODES.length);
  }

  createCluster() {
    return this.run("create-cluster", this.#services["create-cluster"]!.command);
  }

  /** Runs a command beside a service. */
  run(name: string, command: readonly string[], input?: string) {
    return run(this.#inside(name, command), input);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }

  /** A node works in its volume. */
  #inside(name: string, command: readonly string[]): string[] {
    const variables = Object.entries(this.#environment(name)).map((entry) => entry.join("="));
    const directory = NODES.includes(name) ? this.#volumes.at(name) : "/";
    const { before } = this.#namespaces.get(name)!;
    return [...before, "env", `--chdir=${directory}`, ...variables, ...command];
  }

  #environment(name: string): Record<string, string> {
    const variables = Object.entries(this.#services[name]!.environment ?? {})
      .map(([variable, value]) => [variable, value ?? this.#env[variable]]);
    return Object.fromEntries(variables.filter(([, value]) => value !== undefined));
  }
}

Deno.test("compose.yaml publishes fixed ports to this machine, or free ones", async () => {
  const portsOf = async (env: Record<string, string>) =>
    (await readCompose(env)).services.proxy!.ports;
  const fixed = ["127.0.0.1:8000-8005:8000-8005", "127.0.0.1:9121:9121"];
  assertEquals(await portsOf({}), fixed);
  const free = { PUBLISH_PORTS: "", PUBLISH_HTTP_PORT: "" };
  assertEquals(await portsOf(free), ["127.0.0.1::8000-8005", "127.0.0.1::9121"]);
  const more = { PUBLISH_ADDR: "0.0.0.0", PUBLISH_PORTS: "31000-31005" };
  assertEquals(await portsOf(more), ["0.0.0.0:31000-31005:8000-8005", "127.0.0.1:9121:9121"]);
});

Deno.test(unless(
  await Namespace.hindrance(),
  "the commands of compose.yaml create a cluster and find it again after a restart",
  async (t) => {
    await fetchModules(join(ROOT, "src", "main.ts"));
    await using volumes = await TemporaryDirectory.create();

    await t.step("the first start creates the cluster and serves it at fixed ports", async () => {
      await using services = new Services(await readCompose({}), {}, volumes);
      await services.up("10.78.1");
      const ports = NODES.map((node, index) => [`${node}:6379`, 8000 + index] as const);
      assertEquals(services.proxy.mapping, new Map(ports));
      const get =
        "exec 3<>/dev/tcp/10.78.1.9/9121; printf 'GET /readyz HTTP/1.0\\n\\n' >&3; cat <&3";
      await until("the proxy is ready", async (saw) => {
        const { output } = await services.run("redis-1", ["bash", "-c", get]);
        saw(output);
        return output.startsWith("HTTP/1.1 200 OK");
      });
      assertEquals(
        await ask(services, (key) => `SET ${key} value-of-${key}`),
        KEYS.map(() => "OK\n").join(""),
      );
      const { code, output } = await services.createCluster();
      assertEquals(code, 0, output);
      assert(!output.includes("Performing hash slots allocation"), output);
      await assertKept(services);

      if (await missingHaProxy() !== undefined) return;
      await services.upSeveral();
      await until("HAProxy has found the proxies", async (saw) => {
        const outcome = await services.run("haproxy", ["redis-cli", "-p", "8000", "PING"]);
        saw(outcome);
        return outcome.output === "PONG\n";
      });
      await assertKept(services, { at: "haproxy" });
    });

    await t.step("a start at other addresses with a password finds the data again", async () => {
      // Quotes and backslashes are escaped in the configuration of the server.
      const password = 'se"cr\\et $1';
      const env = { CLUSTER_PASSWORD: password };
      await using services = new Services(await readCompose(env), env, volumes);
      await services.up("10.78.2");
      await assertKept(services, { options: ["--no-auth-warning", "-a", password] });
    });
  },
));

/** Where Docker publishes the ports, and options of redis-cli. */
interface Asking {
  readonly at?: string;
  readonly options?: readonly string[];
}

/** Sends a command for each key to where Docker publishes the ports. */
async function ask(
  services: Services,
  command: (key: string) => string,
  { at = "proxy", options = [] }: Asking = {},
) {
  const { code, output } = await services.run(
    at,
    ["redis-cli", "-c", "-p", "8000", ...options],
    KEYS.map((key) => `${command(key)}\n`).join(""),
  );
  assertEquals(code, 0, output);
  const redirects = [...output.matchAll(/^-> Redirected .* at (\S+)\n/gm)];
  for (const [, address] of redirects) assertMatch(address!, /^127\.0\.0\.1:800[0-5]$/);
  assert(redirects.length > 0, output);
  return output.replaceAll(/^-> Redirected .*\n/gm, "");
}

async function assertKept(services: Services, asking?: Asking): Promise<void> {
  const values = await ask(services, (key) => `GET ${key}`, asking);
  assertEquals(values, KEYS.map((key) => `value-of-${key}\n`).join(""));
}
