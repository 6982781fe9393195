import { type ClusterNode, RedisCluster } from "../support/cluster.ts";
import { TemporaryDirectory } from "../support/temporary.ts";
import { type ContenderName, startContender, type TlsUse, type Way } from "./contenders.ts";
import { countIdleClients, OTHER_DESCRIPTORS } from "./idle_scenario.ts";
import type { BenchOptions } from "./options.ts";
import type { Scenario, Stage } from "./scenario.ts";

/** What all scenarios work with, started on demand, until the block ends. */
export class Stages implements AsyncDisposable {
  readonly #options: BenchOptions;
  readonly #signal: AbortSignal;
  readonly #stack = new AsyncDisposableStack();
  readonly #clusters = new Map<"plain" | "tls", RedisCluster>();
  readonly #stages = new Map<TlsUse | undefined, Stage>();
  #directory: TemporaryDirectory | undefined;

  constructor(options: BenchOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  /** One of the nodes that were started. */
  get node(): ClusterNode {
    const [cluster] = this.#clusters.values();
    return cluster!.nodes[0]!;
  }

  /** Scenarios with the same use of TLS share one. */
  async of({ tls }: Scenario): Promise<Stage> {
    const known = this.#stages.get(tls);
    if (known !== undefined) return known;
    const stage = await this.#start(tls);
    this.#stages.set(tls, stage);
    return stage;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async #start(tls: TlsUse | undefined): Promise<Stage> {
    const cluster = await this.#cluster(tls === undefined ? "plain" : "tls");
    const directory = this.#directory ??= this.#stack.use(await TemporaryDirectory.create());
    const start = (name: ContenderName) =>
      startContender(name, {
        ...this.#options,
        nodes: cluster.nodes,
        tls: tls && { ...tls, certificates: cluster.certificates },
        directory,
      });
    const started = async (name: ContenderName): Promise<Way> => this.#stack.use(await start(name));
    const ways = {
      node: await started("node"),
      haproxy: await started("haproxy"),
      relay: await started("relay"),
      proxy: await started("proxy"),
    };
    return { start, ways, signal: this.#signal };
  }

  async #cluster(kind: "plain" | "tls"): Promise<RedisCluster> {
    const known = this.#clusters.get(kind);
    if (known !== undefined) return known;
    const directives = { "maxclients": `${countIdleClients() + OTHER_DESCRIPTORS}` };
    const cluster = this.#stack.use(
      await RedisCluster.start({
        replicasEach: 0,
        ...kind === "plain"
          ? { directives }
          : { tls: "both", directives: { ...directives, "tls-auth-clients": "no" } },
      }),
    );
    this.#clusters.set(kind, cluster);
    return cluster;
  }
}
