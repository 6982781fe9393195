import { parseNodes, SLOT_COUNT } from "../../src/cluster/node.ts";
import { itemsOf, textOf } from "../../src/resp/frame.ts";
import { ClusterNode, type Directives, halt, Server } from "./cluster_node.ts";
import { type Place, Places } from "./cluster_places.ts";
import { all, moveSlots } from "./cluster_slots.ts";
import { type Certificates, makeCertificates } from "./cluster_tls.ts";
import { TLS } from "./tls.ts";
import { until } from "./until.ts";

export { ClusterNode, halt };

/** Options of a test cluster. */
export interface ClusterOptions {
  /** 3 by default. */
  primaries?: number;
  /** 1 by default. */
  replicasEach?: number;
  /** For every node; they override the fixture's own. */
  directives?: Directives;
  /** For the node at this index; they override those for every node. */
  directivesOf?: (index: number) => Directives;
  /** Every node listens on the same port, each at its own address. Needs Linux and IPv4. */
  samePort?: boolean;
  /**
   * The nodes speak TLS to clients and to each other, and want certificates of both. With "only"
   * `port` is the TLS port; with "both" nodes have a plain-text `port` and a `tlsPort`. By default
   * "only" in a run with TLS to nodes.
   */
  tls?: "only" | "both";
  /** IPv4 by default; with IPv6 all nodes are at ::1. */
  family?: "IPv4" | "IPv6";
  /** The beginning of all addresses, such as `10.77.0.`; in 127.0.0.0/8 by default. */
  network?: string;
  /** The addresses of the nodes, which must be free; others by default. */
  places?: readonly Place[];
  /** Cancels the start. */
  signal?: AbortSignal;
}

/** A node as it sees itself. */
export interface Standing {
  readonly node: ClusterNode;
  readonly role: "primary" | "replica";
  /** The primary of a replica, if it is one of the cluster's. */
  readonly primary: ClusterNode | undefined;
  /** Slots of a primary, in order. */
  readonly slots: readonly number[];
}

/** What a cluster starts its servers with. */
interface Setup {
  readonly options: ClusterOptions;
  readonly server: Server;
  readonly places: Places;
  readonly directory: string;
  readonly certificates: Certificates | undefined;
}

/**
 * A real cluster that lives as long as the block that started it:
 *
 *     await using cluster = await RedisCluster.start();
 *
 * The first nodes are the primaries, each with an even part of the slots; the replicas follow,
 * round by round: with 3 primaries node i is a replica of node i-3, then i-6, and so on.
 */
export class RedisCluster implements AsyncDisposable {
  /** All nodes, including those that are down; added nodes come last. */
  readonly nodes: ClusterNode[] = [];
  /** The primaries of the start. */
  readonly #founders: readonly ClusterNode[];
  readonly #setup: Setup;
  /** Number of servers set up so far, including removed ones. */
  #count = 0;

  private constructor(setup: Setup) {
    this.#setup = setup;
    const { primaries = 3, replicasEach = 1, places } = setup.options;
    for (const place of places ?? setup.places.take(primaries * (1 + replicasEach))) {
      this.#create(place, this.#count < primaries ? "primary" : "replica");
    }
    this.#founders = this.primaries;
  }

  /** Starts a cluster and waits until every node serves and knows all the others. */
  static async start(given: ClusterOptions = {}): Promise<RedisCluster> {
    const options = TLS.nodes ? { tls: "only" as const, ...given } : given;
    const server = await Server.find();
    const places = new Places(options);
    const directory = await Deno.makeTempDir({ prefix: "redis-cluster-" });
    const hosts = options.places?.map(({ host }) => host) ?? places.hosts;
    const certificates = options.tls && await makeCertificates(directory, hosts);
    const cluster = new RedisCluster({ options, server, places, directory, certificates });
    const { signal } = options;
    const { promise: cancelled, reject } = Promise.withResolvers<never>();
    signal?.addEventListener("abort", () => reject(signal.reason));
    try {
      await Promise.race([cluster.#form(), cancelled]);
    } catch (cause) {
      const logs = await Promise.all(cluster.nodes.map((node) => node.logTail()));
      await cluster[Symbol.asyncDispose]();
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`Cannot form a cluster: ${reason}\n${logs.join("\n")}`, { cause });
    }
    return cluster;
  }

  /** The nodes that were started as primaries. */
  get primaries(): readonly ClusterNode[] {
    return this.nodes.filter(({ role }) => role === "primary");
  }

  /** The nodes that were started as replicas. */
  get replicas(): readonly ClusterNode[] {
    return this.nodes.filter(({ role }) => role === "replica");
  }

  get running(): readonly ClusterNode[] {
    return this.nodes.filter(({ pid }) => pid !== undefined);
  }

  /**
   * The certificates of nodes and of their clients.
   *
   * @throws {RangeError} if the cluster was started without TLS
   */
  get certificates(): Certificates {
    if (this.#setup.certificates !== undefined) return this.#setup.certificates;
    throw new RangeError("Start the cluster with the option `tls`");
  }

  /**
   * The beginning of all addresses of nodes, now and after a move, and of no other address.
   *
   * @throws {RangeError} where the nodes have no addresses of their own
   */
  get network(): string {
    return this.#setup.places.network;
  }

  /** The primary that was given `slot` when the cluster was started. */
  ownerOf(slot: number): ClusterNode {
    const owner = this.#founders.find((_, index) => slot < this.#firstSlot(index + 1));
    if (slot < 0 || owner === undefined) throw new RangeError(`No node owns the slot ${slot}`);
    return owner;
  }

  /** The running nodes, each as it sees itself; they agree once the cluster is `ready`. */
  standings(): Promise<Standing[]> {
    return all(this.running.map(async (node): Promise<Standing> => {
      const lines = parseNodes(textOf(await node.order("CLUSTER", "NODES")) ?? "");
      const own = lines.find(({ flags }) => flags.has("myself"))!;
      return {
        node,
        role: own.flags.has("master") ? "primary" : "replica",
        primary: this.nodes.find(({ id }) => id === own.primaryId),
        slots: own.slots.flatMap(({ first, last }) =>
          Array.from({ length: last - first + 1 }, (_, index) => first + index)
        ),
      };
    }));
  }

  /**
   * Waits until the cluster is as after a start: all running nodes serve all slots, agree on all
   * nodes, and have replicas in sync. Nodes that are down must be failed and own no slots.
   */
  async ready(): Promise<void> {
    await until("the cluster is whole", async (saw) => {
      const views = await all(this.running.map((node) => this.#lacks(node)));
      const lacking = views.map(({ lack }) => lack).filter((lack) => lack !== undefined);
      const told = new Set(views.map(({ tells }) => tells));
      saw(lacking.join("; ") || [...told].join("\nor\n"));
      return lacking.length === 0 && told.size === 1;
    }, FORMING_DEADLINE_MS);
  }

  /** Waits until no client is connected to a running node, except those in lines of CLIENT LIST. */
  async untilDeserted(except: RegExp, deadlineMs: number): Promise<void> {
    await until("no client is left at the nodes", async (saw) => {
      const lists = await Promise.all(this.running.map((node) => node.order("CLIENT", "LIST")));
      const clients = lists.flatMap((list) => {
        // Other nodes are no clients.
        const lines = textOf(list)!.trimEnd().split("\n")
          .filter((line) => !/ flags=\w*[MS]/.test(line) && !except.test(line));
        // The proxy's probe of a node that speaks TLS stays open.
        const probe = TLS.nodes ? lines.findIndex((line) => line.includes(" cmd=NULL ")) : -1;
        return lines.filter((_, index) => index !== probe);
      });
      saw(clients);
      return clients.length === 0;
    }, deadlineMs);
  }

  /** Adds a server, as a replica of a primary or as a primary without slots; then all is `ready`. */
  async add({ replicaOf }: { replicaOf?: ClusterNode } = {}): Promise<ClusterNode> {
    const [place] = this.#setup.places.take(1);
    const others = this.running;
    const node = this.#create(place!, replicaOf === undefined ? "primary" : "replica");
    await node.start();
    await all(
      others.map((other) => other.order("CLUSTER", "MEET", node.host, `${node.peerPort}`)),
    );
    if (replicaOf !== undefined) await this.#replicate(node, replicaOf);
    await this.ready();
    return node;
  }

  /**
   * Removes a node without slots from the cluster. Stops it, or leaves that to the caller.
   */
  async remove(node: ClusterNode, { stop = true } = {}): Promise<void> {
    const others = this.running.filter((other) => other !== node);
    // A node bans a forgotten node for a minute; but a replica cannot forget its primary at once,
    // so repeat the command.
    await until(`all have forgotten ${node.address}`, async (saw) => {
      const knowing = await all(others.map(async (other) => {
        const known = (textOf(await other.order("CLUSTER", "NODES")) ?? "").includes(node.id);
        return known ? [other] : [];
      }));
      saw(knowing.flat().map(({ address }) => address));
      await all(knowing.flat().map((other) => other.order("CLUSTER", "FORGET", node.id)));
      return knowing.flat().length === 0;
    }, FORMING_DEADLINE_MS);
    if (stop) await node.stop();
    this.nodes.splice(this.nodes.indexOf(node), 1);
  }

  /**
   * Restarts a node with another IP address and the same port, id and data, and waits until all
   * others know the address.
   */
  async relocate(node: ClusterNode): Promise<void> {
    await node.stop();
    await node.start(this.#setup.places.takeHost());
    await until(`all know ${node.address}`, async (saw) => {
      const others = this.running.filter((other) => other !== node);
      const views = await all(others.map((other) => other.order("CLUSTER", "NODES")));
      saw(views.map(textOf).join("\n"));
      return views.every((view) => textOf(view)!.includes(`${node.id} ${node.address}@`));
    }, FORMING_DEADLINE_MS);
  }

  /** Promotes a replica by a manual failover that the primary agrees to. */
  async failover(replica: ClusterNode): Promise<void> {
    await until(`${replica.address} is a primary`, async () => {
      await replica.order("CLUSTER", "FAILOVER");
      await until(`${replica.address} is elected`, async (saw) => {
        const role = textOf(itemsOf(await replica.order("ROLE"))![0]);
        saw(role);
        return role === "master";
      }, MANUAL_FAILOVER_MS);
      return true;
    }, FORMING_DEADLINE_MS);
  }

  /** Moves slots with their keys from one primary to another, as redis-cli does. */
  async moveSlots(slots: readonly number[], from: ClusterNode, to: ClusterNode): Promise<void> {
    const primaries = (await this.standings()).filter(({ role }) => role === "primary");
    const witnesses = primaries.map(({ node }) => node)
      .filter((node) => node !== from && node !== to);
    await moveSlots({ slots, from, to, witnesses }, this.#setup.server.slotConnections);
  }

  /** Moves slots until all primaries have the same number of slots, give or take one. */
  async rebalance(): Promise<void> {
    const shards = (await this.standings()).filter(({ role }) => role === "primary")
      .map(({ node, slots }) => ({ node, slots: [...slots] }));
    const share = Math.ceil(SLOT_COUNT / shards.length);
    for (const poor of shards) {
      for (const rich of shards) {
        const count = Math.min(share - poor.slots.length, rich.slots.length - share);
        if (count <= 0) continue;
        const moving = rich.slots.splice(-count);
        await this.moveSlots(moving, rich.node, poor.node);
        poor.slots.push(...moving);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
    await Deno.remove(this.#setup.directory, { recursive: true });
  }

  #create(place: Place, role: ClusterNode["role"]): ClusterNode {
    const { server, directory, certificates, options } = this.#setup;
    const index = this.#count++;
    const directives = { ...options.directives, ...options.directivesOf?.(index) };
    const node = new ClusterNode(server, { ...place, role, directives, directory, certificates });
    this.nodes.push(node);
    return node;
  }

  #firstSlot(index: number): number {
    return Math.floor(index * SLOT_COUNT / this.#founders.length);
  }

  async #form(): Promise<void> {
    await all(this.nodes.map((node) => node.start()));
    await all(this.nodes.map(async (node, index) => {
      await node.order("CONFIG", "SET", "cluster-node-timeout", FORMING_NODE_TIMEOUT_MS);
      // With equal epochs, nodes resolve the collision at some later time.
      await node.order("CLUSTER", "SET-CONFIG-EPOCH", `${index + 1}`);
      if (index >= this.#founders.length) return;
      const [first, end] = [this.#firstSlot(index), this.#firstSlot(index + 1)];
      if (this.#setup.server.major >= 7) {
        await node.order("CLUSTER", "ADDSLOTSRANGE", `${first}`, `${end - 1}`);
      } else {
        const slots = Array.from({ length: end - first }, (_, slot) => `${first + slot}`);
        await node.order("CLUSTER", "ADDSLOTS", ...slots);
      }
    }));
    // All pairs meet; learning of each other by gossip takes seconds.
    const meet = (node: ClusterNode, { host, peerPort }: ClusterNode) =>
      node.order("CLUSTER", "MEET", host, `${peerPort}`);
    await all(
      this.nodes.flatMap((node, index) =>
        this.nodes.slice(index + 1).map((other) => meet(node, other))
      ),
    );
    await all(this.replicas.map((replica, index) => {
      return this.#replicate(replica, this.#founders[index % this.#founders.length]!);
    }));
    await this.ready();
    await all(this.nodes.map((node) => {
      const timeoutMs = node.directives["cluster-node-timeout"]!;
      return node.order("CONFIG", "SET", "cluster-node-timeout", timeoutMs);
    }));
  }

  #replicate(replica: ClusterNode, primary: ClusterNode): Promise<unknown> {
    return until(`${replica.address} knows its primary`, async () => {
      await replica.order("CLUSTER", "REPLICATE", primary.id);
      return true;
    }, FORMING_DEADLINE_MS);
  }

  /** What a node still lacks, if anything, and its view of the running nodes. */
  async #lacks(node: ClusterNode): Promise<{ lack?: string; tells?: string }> {
    const info = textOf(await node.ask("CLUSTER", "INFO")) ?? "";
    const count = this.nodes.length;
    for (const wanted of ["state:ok", `slots_assigned:${SLOT_COUNT}`, `known_nodes:${count}`]) {
      const lack = `${node.address} has no ${wanted}`;
      if (!info.includes(`cluster_${wanted}\r\n`)) return { lack };
    }
    const text = (textOf(await node.ask("CLUSTER", "NODES")) ?? "").trimEnd();
    const runs = new Set(this.running.map(({ id }) => id));
    const unsettled = text.split("\n").find((line) => {
      const [id, , flags, , , , , link, ...slots] = line.split(" ");
      if (!runs.has(id!)) return slots.length > 0 || !flags!.split(",").includes("fail");
      return UNSETTLED.test(flags!) || link !== "connected";
    });
    if (unsettled !== undefined) return { lack: `${node.address} says '${unsettled}'` };
    const lines = parseNodes(text).filter(({ id }) => runs.has(id));
    const owners = new Set(lines.filter(({ slots }) => slots.length > 0).map(({ id }) => id));
    const serving = lines.filter(({ id, primaryId }) => owners.has(primaryId ?? id)).length;
    const ranges = itemsOf(await node.ask("CLUSTER", "SLOTS")) ?? [];
    const entries = ranges.flatMap((range) => itemsOf(range)!.slice(2));
    const listed = new Set(entries.map((entry) => textOf(itemsOf(entry)![2]))).size;
    if (listed !== serving) return { lack: `${node.address} lists ${listed} nodes of ${serving}` };
    const replicas = lines.filter(({ primaryId }) => primaryId === node.id).length;
    const lack = await this.#lacksReplicas(node, replicas);
    if (lack !== undefined) return { lack };
    const tells = lines.map(({ id, primaryId, slots }) =>
      `${id} ${primaryId ?? "-"} ${slots.map(({ first, last }) => `${first}-${last}`).join(" ")}`
    );
    return { tells: tells.sort().join("\n") };
  }

  async #lacksReplicas(node: ClusterNode, wanted: number): Promise<string | undefined> {
    const info = textOf(await node.ask("INFO", "replication")) ?? "";
    const online = info.match(/^slave\d+:.*state=online/gm)?.length ?? 0;
    if (online !== wanted) return `${node.address} has ${online} online replicas of ${wanted}`;
    const unlinked = /^master_link_status:down/m.test(info);
    return unlinked ? `${node.address} has no link to its primary` : undefined;
  }
}

/** A cluster forms in about 3 s; a loaded machine with two cores may take several times that. */
const FORMING_DEADLINE_MS = 30_000;

/**
 * Nodes gossip twice in this time, so it is short while a cluster forms. Later a slow machine
 * would look like a failure.
 */
const FORMING_NODE_TIMEOUT_MS = "1000";

/** A replica gives up a manual failover after 5 s (CLUSTER_MF_TIMEOUT). */
const MANUAL_FAILOVER_MS = 6_000;

/** Flags in CLUSTER NODES of a node that has not joined completely. */
const UNSETTLED = /\b(handshake|noaddr|fail)\b/;
