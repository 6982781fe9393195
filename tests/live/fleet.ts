import { NatProcess } from "../support/nat_process.ts";
import type { RedisCluster } from "../support/cluster.ts";
import { HaProxy } from "../support/haproxy.ts";
import { formatHostPort } from "../../src/platform/address.ts";
import type { TemporaryDirectory } from "../support/temporary.ts";
import { until } from "../support/until.ts";
import type { Machines, ProxyMachine } from "./fleet_machines.ts";

/** The key of the shared ports. */
export const SHARED_KEY = "nat:ports";

/** How long a proxy that stops is not ready before it closes its ports. */
const DRAIN_DELAY = "1s";

/** A proxy that has lost its nodes waits for them. */
const READY_DEADLINE_MS = 30_000;

/** Enough for the nodes of a run and those that have left. */
const PORTS = 16;

/** As in the documents; all ports of a namespace are free. */
const FIRST_PORT = 8000;

const HTTP_PORT = 9121;

/** A proxy of a fleet; it may be down. */
export interface Member {
  readonly machine: ProxyMachine;
  /** The process, while it runs and is not being stopped. */
  process: NatProcess | undefined;
}

/**
 * Several proxies that share their ports, each on a machine of its own, behind HAProxy, which sends
 * them PROXY headers and no clients unless they are ready.
 */
export class Fleet implements AsyncDisposable {
  readonly members: readonly Member[];
  /** The ports of the balancer; those of nodes are among them. */
  readonly ports = Array.from({ length: PORTS }, (_, index) => FIRST_PORT + index);
  readonly #cluster: RedisCluster;
  readonly #machines: Machines;
  #balancer: HaProxy | undefined;
  /** The logs of processes that have ended. */
  readonly #logs: string[] = [];

  private constructor(cluster: RedisCluster, machines: Machines) {
    this.#cluster = cluster;
    this.#machines = machines;
    this.members = machines.proxies.map((machine) => ({ machine, process: undefined }));
  }

  /** Starts the balancer and all proxies at once, from the machine of the nodes. */
  static async start(
    cluster: RedisCluster,
    machines: Machines,
    directory: TemporaryDirectory,
  ): Promise<Fleet> {
    const fleet = new Fleet(cluster, machines);
    fleet.#balancer = await HaProxy.start(directory, {
      ports: fleet.ports.map((port, index) => ({
        bind: `${fleet.host}:${port}`,
        // One port checks the proxies for all, because each check is a connection.
        servers: machines.proxies.map(({ host }, number) =>
          `${host}:${port} send-proxy-v2 on-marked-down shutdown-sessions ` +
          (index > 0
            ? `track port0/server${number}`
            : `check addr ${host} port ${HTTP_PORT} inter 200 fall 2 rise 1`)
        ),
      })),
      defaults: [
        "option httpchk GET /readyz",
        "option redispatch 1",
        "retries 3",
        "balance roundrobin",
      ],
      before: machines.balancer.before,
    });
    try {
      await Promise.all(fleet.members.map((member) => fleet.launch(member)));
    } catch (error) {
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
    return fleet;
  }

  /** The host of the balancer, which clients take for the proxy. */
  get host(): string {
    return this.#machines.balancer.host;
  }

  /** All that the proxies have logged so far. */
  get log(): string {
    const running = this.members.map(({ machine, process }) =>
      `--- ${machine.host}\n${process?.stderr ?? ""}`
    );
    return [...this.#logs, ...running].join("\n");
  }

  /** Starts a proxy that is down, and waits until it serves. */
  async launch(member: Member): Promise<void> {
    const { host, before } = member.machine;
    const process = new NatProcess([
      `--cluster-addr=${this.#cluster.running.map(formatHostPort).join()}`,
      `--listen-addr=${host}:${FIRST_PORT}`,
      `--max-nodes=${PORTS}`,
      `--public-host=${this.host}`,
      `--shared-ports=${SHARED_KEY}`,
      "--refresh-interval=1s",
      "--forget-after=2s",
      "--accept-proxy-protocol=v2",
      `--proxy-protocol-from=${this.#machines.balancer.privateHost}`,
      `--http-addr=${host}:${HTTP_PORT}`,
      `--drain-delay=${DRAIN_DELAY}`,
      "--shutdown-grace=1s",
    ], { before });
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
  async mapOf({ machine }: Member): Promise<Map<string, number> | undefined> {
    try {
      const signal = AbortSignal.timeout(1000);
      const response = await fetch(`http://${machine.host}:${HTTP_PORT}/nodes`, { signal });
      if (!response.ok) {
        await response.body?.cancel();
        return undefined;
      }
      const { nodes } = await response.json() as {
        nodes: { id: string; public: { port: number } }[];
      };
      return new Map(nodes.map(({ id, public: { port } }) => [id, port]));
    } catch {
      // It is down, being killed, or cut off.
      return undefined;
    }
  }

  /** Waits until the balancer sends clients to all proxies, and these have the same ports. */
  async untilAgreed(): Promise<void> {
    await until("all proxies are ready", async (saw) => {
      const states = [...await this.#balancer!.servers()]
        .filter(([name]) => name.startsWith("port0/"));
      saw(states);
      return states.every(([, state]) => state.startsWith("UP"));
    }, READY_DEADLINE_MS);
    await until("all proxies have the same ports", async (saw) => {
      const maps = await Promise.all(this.members.map((member) => this.mapOf(member)));
      const texts = maps.map((map) => map && [...map].map(String).sort().join("\n"));
      saw(texts.join("\nor\n"));
      return texts[0] !== undefined && texts.every((text) => text === texts[0]);
    });
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
    this.#logs.push(`--- ${member.machine.host}\n${process.stderr}`);
    await process[Symbol.asyncDispose]();
  }
}
