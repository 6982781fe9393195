import { NatProcess } from "../support/nat_process.ts";
import type { RedisCluster } from "../support/cluster.ts";
import { HaProxy } from "../support/haproxy.ts";
import { findFreePorts } from "../support/ports.ts";
import { formatHostPort } from "../../src/platform/address.ts";
import type { TemporaryDirectory } from "../support/temporary.ts";
import { PROXY_HOSTS } from "../support/tls.ts";
import { until } from "../support/until.ts";

/** The key of the shared ports. */
export const SHARED_KEY = "nat:ports";

/** How long a proxy that stops is not ready before it closes its ports. */
const DRAIN_DELAY = "1s";

/** Enough for the nodes of a run and those that have left. */
const PORTS = 16;

/** Where the balancer listens, which clients take for the proxy. */
const HOST = "127.0.0.1";

/** A proxy of a fleet; it may be down. */
export interface Member {
  readonly host: string;
  /** The process, while it runs and is not being stopped. */
  process: NatProcess | undefined;
}

/**
 * Several proxies that share their ports, each at an address of its own, behind HAProxy, which sends
 * them PROXY headers and no clients unless they are ready.
 */
export class Fleet implements AsyncDisposable {
  readonly members: readonly Member[] = PROXY_HOSTS.map((host) => ({ host, process: undefined }));
  /** The host of the balancer. */
  readonly host = HOST;
  /** The ports of the balancer; those of nodes are among them. */
  readonly ports: readonly number[];
  readonly #cluster: RedisCluster;
  readonly #httpPort: number;
  #balancer: HaProxy | undefined;
  /** The logs of processes that have ended. */
  readonly #logs: string[] = [];

  private constructor(cluster: RedisCluster) {
    this.#cluster = cluster;
    const first = findFreePorts(PORTS + 1);
    this.ports = Array.from({ length: PORTS }, (_, index) => first + index);
    this.#httpPort = first + PORTS;
  }

  /** Starts the balancer and all proxies at once. */
  static async start(cluster: RedisCluster, directory: TemporaryDirectory): Promise<Fleet> {
    const fleet = new Fleet(cluster);
    fleet.#balancer = await HaProxy.start(directory, {
      ports: fleet.ports.map((port, index) => ({
        bind: `${HOST}:${port}`,
        // One port checks the proxies for all, because each check is a connection.
        servers: PROXY_HOSTS.map((host, number) =>
          `${host}:${port} send-proxy-v2 on-marked-down shutdown-sessions ` +
          (index > 0
            ? `track port0/server${number}`
            : `check addr ${host} port ${fleet.#httpPort} inter 200 fall 2 rise 1`)
        ),
      })),
      defaults: [
        "option httpchk GET /readyz",
        "option redispatch 1",
        "retries 3",
        "balance roundrobin",
      ],
    });
    try {
      await Promise.all(fleet.members.map((member) => fleet.launch(member)));
    } catch (error) {
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
    return fleet;
  }

  /** All that the proxies have logged so far. */
  get log(): string {
    const running = this.members.map(({ host, process }) =>
      `--- ${host}\n${process?.stderr ?? ""}`
    );
    return [...this.#logs, ...running].join("\n");
  }

  /** Starts a proxy that is down, and waits until it serves. */
  async launch(member: Member): Promise<void> {
    const { host } = member;
    const process = new NatProcess([
      `--cluster-addr=${this.#cluster.running.map(formatHostPort).join()}`,
      `--listen-addr=${host}:${this.ports[0]}`,
      `--max-nodes=${PORTS}`,
      `--public-host=${HOST}`,
      `--shared-ports=${SHARED_KEY}`,
      "--refresh-interval=1s",
      "--forget-after=2s",
      "--accept-proxy-protocol=v2",
      "--proxy-protocol-from=127.0.0.0/8",
      `--http-addr=${host}:${this.#httpPort}`,
      `--drain-delay=${DRAIN_DELAY}`,
      "--shutdown-grace=1s",
    ]);
    member.process = process;
    await process.ready();
  }

  /** Kills a proxy. */
  async kill(member: Member): Promise<void> {
    await this.#end(member, "SIGKILL");
  }

  /** Stops a proxy in order. */
  async drain(member: Member): Promise<void> {
    await this.#end(member, "SIGTERM");
  }

  /** The port of each node as a proxy serves it, by node id; undefined if it does not answer. */
  async mapOf({ host }: Member): Promise<Map<string, number> | undefined> {
    try {
      const signal = AbortSignal.timeout(1000);
      const response = await fetch(`http://${host}:${this.#httpPort}/nodes`, { signal });
      if (!response.ok) {
        await response.body?.cancel();
        return undefined;
      }
      const { nodes } = await response.json() as {
        nodes: { id: string; public: { port: number } }[];
      };
      return new Map(nodes.map(({ id, public: { port } }) => [id, port]));
    } catch {
      // It is down, or being killed.
      return undefined;
    }
  }

  /** The number of proxies to which the balancer sends clients. */
  async readyCount(): Promise<number> {
    const states = await this.#balancer!.servers();
    return [...states].filter(([name, state]) =>
      name.startsWith("port0/") && state.startsWith("UP")
    )
      .length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map(({ process }) => process?.[Symbol.asyncDispose]()));
    await this.#balancer?.[Symbol.asyncDispose]();
  }

  async #end(member: Member, signal: Deno.Signal): Promise<void> {
    const { process } = member;
    if (process === undefined) return;
    member.process = undefined;
    process.signal(signal);
    await until("the proxy has ended", () => process.code !== undefined);
    this.#logs.push(`--- ${member.host}\n${process.stderr}`);
    await process[Symbol.asyncDispose]();
  }
}
