import { assert, assertEquals } from "@std/assert";
import { textOf } from "../../src/resp/frame.ts";
import type { Config } from "../../src/cli/config.ts";
import type { ClusterClient, Connect, ConnectOptions } from "../integration/clients/client.ts";
import { IoredisClient } from "../integration/clients/ioredis.ts";
import { NodeRedisClient } from "../integration/clients/node_redis.ts";
import { type ClusterOptions, RedisCluster } from "../support/cluster.ts";
import { startProxy, startProxyProcess } from "../support/proxy.ts";
import { until, within } from "../support/until.ts";
import { Load, WRITERS } from "./load.ts";
import { Watcher } from "./watcher.ts";

/** How a cluster names its nodes to clients. */
export type Naming = "addresses" | "one port" | "hostnames" | "unknown endpoints";

/** Those of the cluster whose nodes all have one port; hostnames are known since 7.0. */
export const NAMINGS: readonly Naming[] = ["one port", "hostnames", "unknown endpoints"];

/** The live part of a proxy's settings, so short that a test can wait for it. */
export const SWIFT: Partial<Config> = { refreshIntervalMs: 250, forgetAfterMs: 1_000 };

/** Longer than any client takes to come back after the cluster has. */
const RECOVERY_DEADLINE_MS = 30_000;

/**
 * How much later than one inside a client outside may be back. It usually is at the same time, as
 * the figures show that are printed; but a client that has just missed the recovery tries again
 * only after pauses that grow, and looks for the nodes anew only after several tries: on either
 * side node-redis then takes up to three times as long.
 */
const LATER_MS = 15_000;

/** So long those inside are waited for when those outside are back. */
const INSIDE_WAIT_MS = 5_000;

/** Clients that leave are gone from the nodes when their connections are. */
const LEAVING_DEADLINE_MS = 5_000;

const DOMAIN = "nodes.internal";

const CLIENTS = { "ioredis": IoredisClient.connect, "node-redis": NodeRedisClient.connect };

/** What is to be set on the stage. */
export interface LiveOptions {
  naming?: Naming;
  cluster?: ClusterOptions;
  /** The proxy is a process of its own. */
  process?: boolean;
}

/** What an event may cost. */
export interface Costs {
  /**
   * A primary dies, so that acknowledged writes are lost that no replica has, outside as inside.
   */
  primaryDies?: boolean;
}

/**
 * Registers a test of clients under load. What they leave behind is seen at the proxy and at the
 * nodes, and not by the runtime: node-redis, when it is closed, leaves the timer running for its
 * next attempt to reconnect (client/socket.js `#connect`).
 */
export function testLive(name: string, fn: (t: Deno.TestContext) => Promise<void>): void {
  Deno.test({ name, sanitizeOps: false, sanitizeResources: false, fn });
}

/** A cluster, a proxy before it, and real clients on either side of it. */
export class LiveScene implements AsyncDisposable {
  readonly cluster: RedisCluster;
  readonly #proxy: Awaited<ReturnType<typeof openProxy>>;
  readonly #naming: Naming;

  private constructor(
    cluster: RedisCluster,
    proxy: Awaited<ReturnType<typeof openProxy>>,
    naming: Naming,
  ) {
    this.cluster = cluster;
    this.#proxy = proxy;
    this.#naming = naming;
  }

  /** Starts all but the clients, which come when something happens. */
  static async start(options: LiveOptions = {}): Promise<LiveScene> {
    const { naming = "addresses" } = options;
    const named = NAMING_OPTIONS[naming];
    const cluster = await RedisCluster.start({
      ...options.cluster,
      ...named,
      directives: { ...options.cluster?.directives, ...named.directives },
    });
    try {
      const proxy = await openProxy(cluster, options.process ?? false);
      return new LiveScene(cluster, proxy, naming);
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * Lets something happen to the cluster under load from clients inside and outside at the same
   * time, and sees that all of them get through it, and that outside nothing private is seen.
   * The figures of both are printed.
   */
  async withstand(
    what: string,
    event: () => Promise<unknown>,
    { primaryDies = false }: Costs = {},
  ): Promise<void> {
    await using stack = new AsyncDisposableStack();
    const pairs = await this.#startLoads(stack);
    const outside = pairs.map(({ outside }) => outside.load);
    const inside = pairs.flatMap(({ inside }) => inside?.load ?? []);
    const watcher = new Watcher(this.#proxy, (text) => this.#isPrivate(text));
    stack.defer(async () => {
      await watcher.stop();
    });
    await untilAllFlow([...outside, ...inside], performance.now());

    const startMs = performance.now();
    await event();
    await this.cluster.ready();
    const wholeMs = performance.now();
    await untilAllFlow(outside, wholeMs);
    await Promise.all(outside.map((load) => load.stop()));
    // Those inside may never come back: it is those outside that are on trial.
    await untilAllFlow(inside, wholeMs, INSIDE_WAIT_MS).catch(() => {});
    for (const { inside } of pairs) if (inside !== undefined) await stopOrLeave(inside);

    assertEquals((await watcher.stop()).slice(0, 3), [], "replies with private addresses");
    assert(watcher.replies > 0, "nothing was watched");
    assertEquals(outside.flatMap(({ hung }) => hung), [], "writes without an answer");
    for (const pair of pairs) {
      const { name } = pair;
      const [outside, inside] = [pair.outside.load, pair.inside?.load];
      const strange = pair.outside.client.addresses.filter((address) =>
        !isOf(this.#proxy.host, watcher, address)
      );
      assertEquals(strange, [], `${name} outside knows private addresses`);
      const [lostOutside, lostInside] = await Promise.all(
        [outside, inside].map(async (load) => await load?.lost(this.cluster) ?? []),
      ) as [string[], string[]];
      const [gapOutside, gapInside] = [outside, inside].map((load) => load?.longestGapMs(startMs));
      console.log(
        `${what}, ${this.#naming}, ${name}: ` + [
          `longest gap ${shown(gapOutside)} ms outside, ${shown(gapInside)} ms inside`,
          `ratio ${gapInside === undefined ? "-" : (gapOutside! / gapInside).toFixed(2)}`,
          `${lostOutside.length} of ${outside.acknowledged} writes lost outside, ` +
          `${lostInside.length} of ${inside?.acknowledged ?? 0} inside`,
          `errors ${shownErrors(outside)} outside, ${shownErrors(inside)} inside`,
          `${inside?.hung.length ?? 0} writes inside without an answer`,
        ].join("; "),
      );
      // A writer has one write under way, and the next comes later than a replica lags behind:
      // of each no more than the last write before the death of its primary can be lost.
      const allowed = lostInside.length + (primaryDies ? WRITERS : 0);
      assert(lostOutside.length <= allowed, `${name} outside lost ${lostOutside.join(", ")}`);
      if (gapInside !== undefined) assert(gapOutside! <= gapInside + LATER_MS, `${name} was late`);
    }
    await stack.disposeAsync();
    await this.#untilDeserted();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#proxy[Symbol.asyncDispose]();
    } finally {
      await this.cluster[Symbol.asyncDispose]();
    }
  }

  /** One load of each client and side. */
  async #startLoads(stack: AsyncDisposableStack): Promise<Pair[]> {
    const seed = this.cluster.nodes[0]!;
    const resolve = (name: string) => this.#resolve(name);
    const options = { protocol: 3, throughOutages: true } as const;
    const outside = { ...options, host: this.#proxy.host, port: this.#proxy.portOf(seed) };
    const inside = {
      ...options,
      host: seed.host,
      port: seed.port,
      ...this.#naming === "hostnames" ? { resolve } : {},
    };
    async function start(connect: Connect, name: string, options: ConnectOptions): Promise<Side> {
      const connecting = connect(options);
      const client = await within(`connect ${name}`, connecting, RECOVERY_DEADLINE_MS);
      stack.defer(async () => {
        try {
          const closed = Promise.resolve(client[Symbol.asyncDispose]());
          await within(`close ${name}`, closed, LEAVING_DEADLINE_MS);
        } catch (error) {
          client.leave();
          throw error;
        }
      });
      const load = Load.start(name, client);
      stack.defer(() => load.stop());
      return { client, load };
    }
    const pairs: Pair[] = [];
    for (const [name, connect] of Object.entries(CLIENTS)) {
      const pair = { name, outside: await start(connect, `${name} outside`, outside) };
      // Without endpoints, all that clients are told is the port, which is that of all nodes.
      if (this.#naming === "unknown endpoints") pairs.push(pair);
      else pairs.push({ ...pair, inside: await start(connect, `${name} inside`, inside) });
    }
    return pairs;
  }

  #resolve(name: string): string | undefined {
    const named = this.cluster.nodes.find(({ directives }) =>
      directives["cluster-announce-hostname"] === name
    );
    return named?.host;
  }

  #isPrivate(text: string): boolean {
    return text.includes(this.cluster.network) || text.includes(DOMAIN);
  }

  /** No client is left at the proxy, nor one of the proxy's at a node. */
  async #untilDeserted(): Promise<void> {
    await until("no session is left over", (saw) => {
      saw(this.#proxy.sessionCount());
      return this.#proxy.sessionCount() === 0;
    }, LEAVING_DEADLINE_MS);
    await until("no client is left at the nodes", async (saw) => {
      const lists = await Promise.all(
        this.cluster.running.map((node) => node.order("CLIENT", "LIST", "TYPE", "normal")),
      );
      // Nodes keep the connections over which they have sent each other keys for some seconds.
      const others = lists.flatMap((list) => textOf(list)!.trimEnd().split("\n"))
        .filter((line) => !line.includes(" cmd=client") && !line.includes(" cmd=restore-asking"));
      saw(others);
      return others.length === 0;
    }, LEAVING_DEADLINE_MS);
  }
}

/** A client, and what it does. */
interface Side {
  readonly client: ClusterClient;
  readonly load: Load;
}

/** A client outside, and one inside if there can be one. */
interface Pair {
  readonly name: string;
  readonly outside: Side;
  readonly inside?: Side;
}

const NAMING_OPTIONS: Record<Naming, ClusterOptions> = {
  "addresses": {},
  "one port": { samePort: true },
  "hostnames": {
    samePort: true,
    directives: { "cluster-preferred-endpoint-type": "hostname" },
    directivesOf: (index) => ({ "cluster-announce-hostname": `node-${index}.${DOMAIN}` }),
  },
  "unknown endpoints": {
    samePort: true,
    directives: { "cluster-preferred-endpoint-type": "unknown-endpoint" },
  },
};

async function openProxy(cluster: RedisCluster, process: boolean) {
  if (!process) {
    const local = await startProxy(cluster, SWIFT);
    return Object.assign(local, { sessionCount: () => local.proxy.sessionCount });
  }
  const program = await startProxyProcess(cluster);
  // It cannot be asked; the nodes can.
  return Object.assign(program, { sessionCount: () => 0 });
}

/** Stops a load whose client may have given up on a node without saying so. */
async function stopOrLeave({ client, load }: Side): Promise<void> {
  try {
    await within("stop the load", load.stop(), LATER_MS);
  } catch {
    client.leave();
    await load.stop();
  }
}

async function untilAllFlow(
  loads: readonly Load[],
  sinceMs: number,
  deadlineMs = RECOVERY_DEADLINE_MS,
): Promise<void> {
  await until("every writer has writes acknowledged", (saw) => {
    const waiting = loads.filter((load) => !load.flowsSince(sinceMs));
    saw(waiting.map(({ name, errors, hung }) => ({ name, errors, hung })));
    return waiting.length === 0;
  }, deadlineMs);
}

function isOf(host: string, watcher: Watcher, address: string): boolean {
  return [...watcher.ports].some((port) => address === `${host}:${port}`);
}

function shown(ms: number | undefined): string {
  return ms === undefined ? "-" : `${Math.round(ms)}`;
}

function shownErrors(load: Load | undefined): string {
  const errors = [...load?.errors ?? []].map(([text, count]) => `${count} '${text}'`);
  return errors.length === 0 ? "none" : errors.join(", ");
}
