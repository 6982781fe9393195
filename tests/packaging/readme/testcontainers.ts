// Stands for the package testcontainers in the recipe, where there is no Docker: a cluster, the
// program with the variables of compose.yaml, and forwards from free ports in the place of those
// that Docker publishes.

import { assertEquals } from "@std/assert";
import { RedisCluster } from "../../support/cluster.ts";
import { Forwarder } from "../../support/forwarder.ts";
import { NatProcess } from "../../support/nat_process.ts";
import { findFreePorts } from "../../support/ports.ts";
import { TemporaryDirectory } from "../../support/temporary.ts";

/** The ports of the container. */
const PORTS = { first: 8000, count: 6 };

export class DockerComposeEnvironment {
  #env: Record<string, string> = {};

  constructor(directory: string, file: string) {
    assertEquals([directory, file], [".", "compose.yaml"]);
  }

  withEnvironment(env: Record<string, string>): this {
    this.#env = { ...this.#env, ...env };
    return this;
  }

  withWaitStrategy(name: string, _strategy: object): this {
    assertEquals(name, "proxy-1");
    return this;
  }

  async up(): Promise<StartedEnvironment> {
    const { PUBLISH_PORTS, PUBLISH_HTTP_PORT, ...env } = this.#env;
    assertEquals([PUBLISH_PORTS, PUBLISH_HTTP_PORT], ["", ""]);
    return await StartedEnvironment.start(env);
  }
}

export const Wait = { forHealthCheck: () => ({}) };

/** Everything runs. */
class StartedEnvironment {
  readonly #stack: AsyncDisposableStack;
  readonly #container: Container;

  private constructor(stack: AsyncDisposableStack, container: Container) {
    this.#stack = stack;
    this.#container = container;
  }

  static async start(variables: Record<string, string>): Promise<StartedEnvironment> {
    await using stack = new AsyncDisposableStack();
    const root = stack.use(await TemporaryDirectory.create());
    await Deno.mkdir(root.at("data"));
    const cluster = stack.use(await RedisCluster.start());
    const listen = findFreePorts(PORTS.count);
    const env: Record<string, string> = {
      CLUSTER_ADDR: cluster.nodes[0]!.address,
      LISTEN_ADDR: `127.0.0.1:${listen}`,
      PUBLIC_HOST: "127.0.0.1",
      MAX_NODES: `${PORTS.count}`,
    };
    for (const [name, value] of Object.entries(variables)) {
      env[name] = value.startsWith("/") ? root.at(value) : value;
    }
    const container = new Container(root, listen);
    await stack.use(new NatProcess([], { env })).untilLogged(/Ready: 6 nodes/);
    stack.use(container.publish());
    return new StartedEnvironment(stack.move(), container);
  }

  getContainer(name: string): Container {
    assertEquals(name, "proxy-1");
    return this.#container;
  }

  down(): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/** The container of the proxy, which listens on other ports than it would in a container. */
class Container {
  readonly #root: TemporaryDirectory;
  readonly #listen: number;
  #published: readonly number[] = [];

  constructor(root: TemporaryDirectory, listen: number) {
    this.#root = root;
    this.#listen = listen;
  }

  publish(): Forwarder {
    const forwarder = new Forwarder({ from: 0, to: this.#listen }, PORTS.count);
    this.#published = forwarder.ports;
    return forwarder;
  }

  getMappedPort(port: number): number {
    return this.#published[port - PORTS.first]!;
  }

  async copyContentToContainer(files: readonly { content: string; target: string }[]) {
    for (const { content, target } of files) {
      const own = content.replaceAll(
        /^80(\d\d) /gm,
        (_, last) => `${this.#listen + Number(last)} `,
      );
      await Deno.writeTextFile(this.#root.at(target), own);
    }
  }
}
