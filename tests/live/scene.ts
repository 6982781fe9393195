import { assert, assertEquals } from "@std/assert";
import type { Config } from "../../src/cli/config.ts";
import { parseNodes } from "../../src/cluster/node.ts";
import { textOf } from "../../src/resp/frame.ts";
import type { ClusterClient, Connect, ConnectOptions } from "../integration/clients/client.ts";
import { IoredisClient } from "../integration/clients/ioredis.ts";
import { NodeRedisClient } from "../integration/clients/node_redis.ts";
import { type ClusterNode, type ClusterOptions, RedisCluster } from "../support/cluster.ts";
import { findFreePorts } from "../support/ports.ts";
import {
  type RunningProxy,
  type ServedNode,
  startProxy,
  startProxyProcess,
} from "../support/proxy.ts";
import { PROXY_HOSTS } from "../support/tls.ts";
import { unless } from "../support/unless.ts";
import { until, within } from "../support/until.ts";
import { Load, WRITERS } from "./load.ts";
import { Watcher } from "./watcher.ts";

/** How a cluster names its nodes to clients. */
export type Naming = "addresses" | "one port" | "hostnames" | "unknown endpoints";

/** The ways in which all nodes share one port. */
export const NAMINGS: readonly Naming[] = ["one port", "hostnames", "unknown endpoints"];

/** Intervals short enough for tests. */
export const SWIFT: Partial<Config> = { refreshIntervalMs: 250, forgetAfterMs: 1_000 };

/** Clients recover sooner once the cluster has. */
const RECOVERY_DEADLINE_MS = 30_000;

/**
 * How much later a client outside may recover than one inside. Usually both recover at the same
 * time, as the printed figures show; but a client that has just missed the recovery retries after
 * growing pauses: on either side node-redis then takes up to three times as long.
 */
const LATER_MS = 15_000;

/** How long to wait for clients inside once those outside have recovered. */
const INSIDE_WAIT_MS = 5_000;

/** Sessions end when the connections of their clients do. */
const LEAVING_DEADLINE_MS = 5_000;

const DOMAIN = "nodes.internal";

/** Real clients by name. */
export const CLIENTS = { "ioredis": IoredisClient.connect, "node-redis": NodeRedisClient.connect };

/** Options of a scene. */
export interface LiveOptions {
  naming?: Naming;
  cluster?: ClusterOptions;
  /** Whether the proxy is a process of its own. */
  process?: boolean;
  /** Further configuration of a proxy that is not. */
  config?: Partial<Config>;
}

/**
 * Registers a test of clients under load. The proxy and the nodes show what is left over, not the
 * sanitizers: a closed node-redis leaves its reconnect timer running (client/socket.js `#connect`).
 *
 * @param hindrance why it is skipped, if it is
 */
export function testLive(
  name: string,
  fn: (t: Deno.TestContext) => Promise<void>,
  hindrance?: string,
): void {
  Deno.test({ ...unless(hindrance, name, fn), sanitizeOps: false, sanitizeResources: false });
}

/**
 * A cluster, a proxy in front of it, and real clients on both sides. A proxy that is no process of
 * its own has two views, and each client outside comes by one of them.
 */
export class LiveScene implements AsyncDisposable {
  readonly cluster: RedisCluster;
  readonly #proxy: SceneProxy;
  readonly #naming: Naming;

  private constructor(cluster: RedisCluster, proxy: SceneProxy, naming: Naming) {
    this.cluster = cluster;
    this.#proxy = proxy;
    this.#naming = naming;
  }

  /** Starts the cluster and the proxy; clients connect in `withstand`. */
  static async start(options: LiveOptions = {}): Promise<LiveScene> {
    const { naming = "addresses" } = options;
    const named = NAMING_OPTIONS[naming];
    const directives = { ...options.cluster?.directives, ...named.directives };
    await using stack = new AsyncDisposableStack();
    const started = await RedisCluster.start({ ...options.cluster, ...named, directives });
    const cluster = stack.use(started);
    const proxy = await openProxy(cluster, options);
    // The scene owns the cluster from now on.
    stack.move();
    return new LiveScene(cluster, proxy, naming);
  }

  /**
   * Runs an event under load from clients inside and outside. Checks that those outside recover,
   * lose no more writes than those inside, and see no private address. Prints the figures of both.
   *
   * @param primaryDies whether a primary loses the acknowledged writes that no replica has
   */
  async withstand(
    what: string,
    event: () => Promise<unknown>,
    { primaryDies = false } = {},
  ): Promise<void> {
    await using stack = new AsyncDisposableStack();
    const pairs = await this.#startLoads(stack);
    const outside = pairs.map(({ outside }) => outside.load);
    const inside = pairs.flatMap(({ inside }) => inside?.load ?? []);
    const watcher = new Watcher(this.#proxy.views, (text) => this.#isPrivate(text));
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
    // Clients inside may never recover; the test is about those outside.
    await untilAllFlow(inside, wholeMs, INSIDE_WAIT_MS).catch(() => {});
    for (const { inside } of pairs) if (inside !== undefined) await stopOrLeave(inside);

    assertEquals((await watcher.stop()).slice(0, 3), [], "replies with private addresses");
    assert(watcher.replies > 0, "nothing was watched");
    assertEquals(outside.flatMap(({ hung }) => hung), [], "writes without an answer");
    for (const pair of pairs) {
      const { name, view } = pair;
      const [outside, inside] = [pair.outside.load, pair.inside?.load];
      const known = watcher.addressesIn(view);
      const strange = pair.outside.client.addresses.filter((address) => !known.has(address));
      assertEquals(strange, [], `${name} outside knows addresses that are not those of its view`);
      const [lostOutside, lostInside] = await Promise.all(
        [outside, inside].map(async (load) => await load?.lost(this.cluster) ?? []),
      ) as [string[], string[]];
      const [gapOutside, gapInside] = [outside, inside].map((load) => load?.longestGapMs(startMs));
      const ratio = gapInside === undefined ? "-" : (gapOutside! / gapInside).toFixed(2);
      console.log(`${what}, ${this.#naming}, ${name}: longest gap in ms / lost writes / errors`);
      console.log(
        `  outside: ${shown(outside, gapOutside, lostOutside)}; ${ratio} times the gap inside`,
      );
      console.log(`  inside: ${shown(inside, gapInside, lostInside)}`);
      // A writer has one pending write, and its pause is longer than the lag of a replica: each can
      // lose only the last write before the death of its primary.
      const allowed = lostInside.length + (primaryDies ? WRITERS : 0);
      assert(lostOutside.length <= allowed, `${name} outside lost ${lostOutside.join(", ")}`);
      if (gapInside !== undefined) assert(gapOutside! <= gapInside + LATER_MS, `${name} was late`);
    }
    await stack.disposeAsync();
    await this.#untilDeserted();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using _cluster = this.cluster;
    await this.#proxy[Symbol.asyncDispose]();
  }

  /** Starts a load for each client and side. */
  async #startLoads(stack: AsyncDisposableStack): Promise<Pair[]> {
    const seed = this.cluster.nodes[0]!;
    const options = { protocol: 3, throughOutages: true } as const;
    const names = { resolve: (name: string) => this.#resolve(name) };
    const resolving = this.#naming === "hostnames" ? names : {};
    const { host, port } = await this.#seedInside();
    const inside = { ...options, ...resolving, host, port, isInside: true };
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
      const load = new Load(name, client);
      stack.defer(() => load.stop());
      return { client, load };
    }
    const pairs: Pair[] = [];
    const { views } = this.#proxy;
    for (const [index, [name, connect]] of Object.entries(CLIENTS).entries()) {
      const view = views[index % views.length]!;
      const outside = { ...options, host: view.host, port: view.portOf(seed) };
      const pair = { name, view, outside: await start(connect, `${name} outside`, outside) };
      // Without endpoints, clients inside get only the port, which all nodes share.
      if (this.#naming === "unknown endpoints") pairs.push(pair);
      else pairs.push({ ...pair, inside: await start(connect, `${name} inside`, inside) });
    }
    return pairs;
  }

  /**
   * A node that shows its own address. One that was started at another address shows its old one
   * until another node sends it a MEET (cluster.c `clusterProcessPacket`), so clients that know
   * only such a node never reach it.
   */
  async #seedInside(): Promise<ClusterNode> {
    for (const node of this.cluster.running) {
      const lines = parseNodes(textOf(await node.order("CLUSTER", "NODES"))!);
      if (lines.find(({ flags }) => flags.has("myself"))!.host === node.host) return node;
    }
    throw new Error("No node shows its own address");
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

  /** Waits until no session is left, at the proxy or at a node. */
  async #untilDeserted(): Promise<void> {
    await until("no session is left over", (saw) => {
      saw(this.#proxy.sessionCount());
      return this.#proxy.sessionCount() === 0;
    }, LEAVING_DEADLINE_MS);
    // Nodes keep connections of MIGRATE for some seconds.
    await this.cluster.untilDeserted(/ cmd=(client|restore-asking)/, LEAVING_DEADLINE_MS);
  }
}

/** A client and its load. */
interface Side {
  readonly client: ClusterClient;
  readonly load: Load;
}

/** A client outside, and one inside if that is possible. */
interface Pair {
  readonly name: string;
  /** The view that the client outside comes by. */
  readonly view: SceneView;
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

type SceneProxy = Awaited<ReturnType<typeof openProxy>>;

/** A view of a proxy. */
type SceneView = Pick<RunningProxy<ServedNode>, "host" | "ports" | "portOf">;

/** As many ports as a proxy has by default. */
const MAX_NODES = 64;

async function openProxy(cluster: RedisCluster, { process, config }: LiveOptions) {
  if (process) {
    const program = await startProxyProcess(cluster);
    const views: SceneView[] = [program];
    // A process has no session count; the nodes show whether clients are left.
    return Object.assign(program, { views, sessionCount: () => 0 });
  }
  const first = findFreePorts(2 * MAX_NODES);
  const listen = { host: "127.0.0.1", port: first };
  const second = { host: SECOND_HOST, port: first + MAX_NODES };
  const otherViews = [{ name: "second", listen: second, publicHost: second.host }];
  const local = await startProxy(cluster, {
    ...SWIFT,
    ...{ listen, maxNodes: MAX_NODES, otherViews },
    ...config,
  });
  const views: SceneView[] = [local, {
    host: second.host,
    get ports() {
      return local.ports.map((port) => port + MAX_NODES);
    },
    portOf: (node) => local.portOf(node) + MAX_NODES,
  }];
  return Object.assign(local, { views, sessionCount: () => local.proxy.sessionCount });
}

/** Only Linux has all addresses of 127.0.0.0/8; elsewhere the views have different ports only. */
const SECOND_HOST = Deno.build.os === "linux" ? PROXY_HOSTS[0] : "127.0.0.1";

/** Stops a load whose client may have given up on a node silently. */
async function stopOrLeave({ client, load }: Side): Promise<void> {
  try {
    await within("stop the load", load.stop(), LATER_MS);
  } catch {
    client.leave();
    await load.stop();
  }
}

/** A load in this process, or in another one, which tells its errors only in the end. */
type FlowingLoad = Pick<Load, "name" | "flowsSince"> & Partial<Pick<Load, "errors" | "hung">>;

/** Waits until every writer has a write acknowledged that began after a time. */
export async function untilAllFlow(
  loads: readonly FlowingLoad[],
  sinceMs: number,
  deadlineMs = RECOVERY_DEADLINE_MS,
): Promise<void> {
  await until("every writer has writes acknowledged", (saw) => {
    const waiting = loads.filter((load) => !load.flowsSince(sinceMs));
    saw(waiting.map(({ name, errors, hung }) => ({ name, errors, hung })));
    return waiting.length === 0;
  }, deadlineMs);
}

/** The figures of a load, such as `812 / 3 of 1200 / none`. */
function shown(load: Load | undefined, gapMs = NaN, lost: readonly string[]): string {
  if (load === undefined) return "no client";
  const errors = [...load.errors].map(([text, count]) => `${count} '${text}'`).join(", ");
  const hung = load.hung.length === 0 ? "" : `, ${load.hung.length} writes without an answer`;
  const lostWrites = `${lost.length} of ${load.acknowledged}`;
  return `${Math.round(gapMs)} / ${lostWrites} / ${errors || "none"}${hung}`;
}
