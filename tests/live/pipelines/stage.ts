import { textOf } from "../../../src/resp/frame.ts";
import { type ClusterNode, RedisCluster } from "../../support/cluster.ts";
import { NatProcess } from "../../support/nat_process.ts";
import { slotOf } from "../../support/slots.ts";
import { holds } from "./connection.ts";
import { PASSWORD, USERS } from "./requests.ts";
import type { NamedNode } from "./transcript.ts";

/** The public host. */
export const PUBLIC_HOST = "127.0.0.1";

const LOG_DEADLINE_MS = 1_000;

/** A cluster with passwords and users, and a proxy in front of it. */
export class Stage implements AsyncDisposable {
  readonly cluster: RedisCluster;
  readonly nat: NatProcess;

  private constructor(cluster: RedisCluster, nat: NatProcess) {
    this.cluster = cluster;
    this.nat = nat;
  }

  /**
   * Starts three primaries and a replica of the last: on Valkey 8 and later SETSLOT takes effect
   * only once the replicas have it, so primaries whose slots move have none.
   *
   * @param program the command line of another program instead of the proxy
   */
  static async start(program?: readonly string[]): Promise<Stage> {
    const cluster = await RedisCluster.start({
      replicasEach: 0,
      directives: {
        "requirepass": PASSWORD,
        "masterauth": PASSWORD,
        "cluster-require-full-coverage": "no",
        // A node that is stopped for a moment must not be declared failed.
        "cluster-node-timeout": "15000",
      },
    });
    try {
      await cluster.add({ replicaOf: cluster.nodes[2]! });
      for (const node of cluster.nodes) {
        for (const [user, rules] of Object.entries(USERS)) {
          await node.order("ACL", "SETUSER", user, "on", `>${user}`, ...rules);
        }
      }
      const args = [
        `--cluster-addr=${cluster.nodes[0]!.address}`,
        `--listen-addr=${PUBLIC_HOST}:0`,
        `--public-host=${PUBLIC_HOST}`,
        `--password=${PASSWORD}`,
        "--refresh-interval=1s",
        // At this level the log has the reason of each closed connection.
        "--log-level=debug",
      ];
      const nat = new NatProcess(
        args,
        program && { before: program.slice(0, -1), executable: program.at(-1)! },
      );
      return new Stage(cluster, await nat.untilMapped(cluster.nodes.length));
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The nodes with both of their addresses. */
  get nodes(): NamedNode[] {
    const { mapping } = this.nat;
    return this.cluster.nodes.map(({ host, port, address }) => {
      return { host, port, publicPort: mapping.get(address)! };
    });
  }

  portOf({ address }: ClusterNode): number {
    return this.nat.mapping.get(address)!;
  }

  /**
   * Whether the servers drop the error of a wrong AUTH while other replies are unsent, as Redis 8.0
   * does.
   */
  async losesErrors(): Promise<boolean> {
    const info = textOf(await this.cluster.nodes[0]!.ask("INFO", "server")) ?? "";
    return /^redis_version:8\.[01]\./m.test(info);
  }

  /** The reason in the log, after its first `from` characters, why the proxy closed a client. */
  async reasonOf(client: string, from: number): Promise<string | undefined> {
    const find = () => {
      const lines = this.nat.stderr.slice(from).split("\n");
      return lines.findLast((line) => line.includes(`${client} `) && /closed|ended/.test(line));
    };
    // The log may arrive later than the end of the connection.
    await holds(() => find() !== undefined, LOG_DEADLINE_MS);
    return find()?.replace(/^.*?: /, "").replace(/\(\d+ times more\)/, "").trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.nat[Symbol.asyncDispose]();
    await this.cluster[Symbol.asyncDispose]();
  }
}

/** Hash tags with slots of a node. */
export function* tagsOf(isOwn: (slot: number) => boolean): Generator<string> {
  for (let index = 0;; index++) {
    const tag = `t${index}`;
    if (isOwn(slotOf(tag))) yield tag;
  }
}
