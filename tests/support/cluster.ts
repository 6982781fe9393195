import { join } from "node:path";
import { itemsOf, textOf, type Value } from "../../src/resp/frame.ts";
import { seededRandom } from "./random.ts";
import { until } from "./until.ts";
import { WireClient } from "./wire.ts";

/** Lines of a redis.conf: the rest of each line by its first word. */
export type Directives = Readonly<Record<string, string>>;

/** What a test may want of its cluster; left out, it is an ordinary one. */
export interface ClusterOptions {
  /** 3 unless told. */
  primaries?: number;
  /** 1 unless told. */
  replicasEach?: number;
  /** For every node; they win over the fixture's own. */
  directives?: Directives;
  /** For the node of this index; they win over those for every node. */
  directivesOf?: (index: number) => Directives;
  /** Every node listens on the same port, each at its own address. Needs Linux and IPv4. */
  samePort?: boolean;
  /** IPv4 unless told; with IPv6 all nodes are at ::1. */
  family?: "IPv4" | "IPv6";
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
  readonly nodes: readonly ClusterNode[];
  readonly #primaryCount: number;
  readonly #directory: string;

  private constructor(nodes: readonly ClusterNode[], primaryCount: number, directory: string) {
    this.nodes = nodes;
    this.#primaryCount = primaryCount;
    this.#directory = directory;
  }

  /** Starts a cluster and waits until every node serves and knows all the others. */
  static async start(options: ClusterOptions = {}): Promise<RedisCluster> {
    const primaryCount = options.primaries ?? 3;
    const count = primaryCount * (1 + (options.replicasEach ?? 1));
    const server = await Server.find();
    const places = findPlaces(count, options);
    const directory = await Deno.makeTempDir({ prefix: "redis-cluster-" });
    const nodes = places.map(({ host, port }, index) => {
      const directives = { ...options.directives, ...options.directivesOf?.(index) };
      const role = index < primaryCount ? "primary" : "replica";
      return new ClusterNode(server, { host, port, role, directives, directory });
    });
    const cluster = new RedisCluster(nodes, primaryCount, directory);
    try {
      await cluster.#form(server);
    } catch (cause) {
      const logs = await Promise.all(nodes.map((node) => node.logTail()));
      await cluster[Symbol.asyncDispose]();
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`Cannot form a cluster: ${reason}\n${logs.join("\n")}`, { cause });
    }
    return cluster;
  }

  /** The nodes that were started as primaries. */
  get primaries(): readonly ClusterNode[] {
    return this.nodes.slice(0, this.#primaryCount);
  }

  /** The nodes that were started as replicas. */
  get replicas(): readonly ClusterNode[] {
    return this.nodes.slice(this.#primaryCount);
  }

  /** The primary that was given `slot` when the cluster was started. */
  ownerOf(slot: number): ClusterNode {
    const index = this.primaries.findIndex((_, index) => slot < this.#firstSlot(index + 1));
    const owner = this.nodes[index];
    if (slot < 0 || owner === undefined) throw new RangeError(`No node owns the slot ${slot}`);
    return owner;
  }

  /** Asks a node one command on a connection of its own. */
  ask(node: ClusterNode, ...words: string[]): Promise<Value> {
    return node.ask(...words);
  }

  /**
   * Waits until every node serves all slots and knows all nodes, and every replica is in step
   * with its primary and listed by all, as it is after the start.
   */
  async ready(): Promise<void> {
    await until("the cluster is whole", async (saw) => {
      const views = await all(this.nodes.map((node) => this.#lacks(node)));
      const lacking = views.filter((lack) => lack !== undefined);
      saw(lacking.join("; "));
      return lacking.length === 0;
    }, FORMING_DEADLINE_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
    await Deno.remove(this.#directory, { recursive: true });
  }

  #firstSlot(index: number): number {
    return Math.floor(index * SLOTS / this.#primaryCount);
  }

  async #form(server: Server): Promise<void> {
    await all(this.nodes.map((node) => node.start()));
    await all(this.nodes.map(async (node, index) => {
      await node.order("CONFIG", "SET", "cluster-node-timeout", FORMING_NODE_TIMEOUT_MS);
      // Every node needs an epoch of its own, or they settle the clash at some later time.
      await node.order("CLUSTER", "SET-CONFIG-EPOCH", `${index + 1}`);
      if (index >= this.#primaryCount) return;
      const [first, end] = [this.#firstSlot(index), this.#firstSlot(index + 1)];
      if (server.major >= 7) {
        await node.order("CLUSTER", "ADDSLOTSRANGE", `${first}`, `${end - 1}`);
      } else {
        const slots = Array.from({ length: end - first }, (_, slot) => `${first + slot}`);
        await node.order("CLUSTER", "ADDSLOTS", ...slots);
      }
    }));
    // All pairs meet, because hearing of each other by gossip takes seconds.
    await all(
      this.nodes.flatMap((node, index) =>
        this.nodes.slice(index + 1).map((other) =>
          node.order("CLUSTER", "MEET", other.host, `${other.port}`)
        )
      ),
    );
    await all(this.replicas.map((replica, index) => {
      const { id } = this.nodes[index % this.#primaryCount]!;
      return until(`${replica.address} knows its primary`, async () => {
        await replica.order("CLUSTER", "REPLICATE", id);
        return true;
      }, FORMING_DEADLINE_MS);
    }));
    await this.ready();
    await all(this.nodes.map((node) => {
      const timeoutMs = node.directives["cluster-node-timeout"]!;
      return node.order("CONFIG", "SET", "cluster-node-timeout", timeoutMs);
    }));
  }

  /** What a node still lacks, or undefined. */
  async #lacks(node: ClusterNode): Promise<string | undefined> {
    const count = this.nodes.length;
    const info = textOf(await node.ask("CLUSTER", "INFO")) ?? "";
    for (const wanted of ["state:ok", `slots_assigned:${SLOTS}`, `known_nodes:${count}`]) {
      if (!info.includes(`cluster_${wanted}\r\n`)) return `${node.address} has no ${wanted}`;
    }
    const lines = (textOf(await node.ask("CLUSTER", "NODES")) ?? "").trimEnd().split("\n");
    const unsettled = lines.find((line) => {
      const [, , flags, , , , , link] = line.split(" ");
      return UNSETTLED.test(flags!) || link !== "connected";
    });
    if (unsettled !== undefined) return `${node.address} says '${unsettled}'`;
    const ranges = itemsOf(await node.ask("CLUSTER", "SLOTS")) ?? [];
    const listed = new Set(
      ranges.flatMap((range) =>
        itemsOf(range)!.slice(2).map((entry) => textOf(itemsOf(entry)![2]))
      ),
    );
    if (listed.size !== count) return `${node.address} lists ${listed.size} nodes of ${count}`;
    return await this.#lacksReplicas(node, lines);
  }

  async #lacksReplicas(node: ClusterNode, lines: string[]): Promise<string | undefined> {
    const wanted = lines.filter((line) => line.split(" ")[3] === node.id).length;
    const info = textOf(await node.ask("INFO", "replication")) ?? "";
    const online = info.match(/^slave\d+:.*state=online/gm)?.length ?? 0;
    if (online !== wanted) return `${node.address} has ${online} online replicas of ${wanted}`;
    const unlinked = /^master_link_status:down/m.test(info);
    return unlinked ? `${node.address} has no link to its primary` : undefined;
  }
}

/** One server of a cluster; the cluster owns its process. */
export class ClusterNode {
  readonly host: string;
  readonly port: number;
  /** As it was started; a failover may have changed it since. */
  readonly role: "primary" | "replica";
  /** All that its redis.conf says, the fixture's own included. */
  readonly directives: Directives;
  readonly #server: Server;
  readonly #directory: string;
  #id = "";
  #process: Deno.ChildProcess | undefined;

  constructor(
    server: Server,
    { host, port, role, directives, directory }: Place & {
      role: "primary" | "replica";
      directives: Directives;
      directory: string;
    },
  ) {
    this.host = host;
    this.port = port;
    this.role = role;
    this.#server = server;
    // INFO tells of this path, so it must not hold an address of its own.
    this.#directory = join(directory, host.replaceAll(/[.:]/g, "-") + `-${port}`);
    const password = directives["requirepass"];
    this.directives = {
      ...this.#ownDirectives(),
      ...password === undefined ? {} : { "masterauth": password },
      ...directives,
    };
  }

  /** The node id, 40 hexadecimal digits. */
  get id(): string {
    return this.#id;
  }

  /** The address as servers write it: an IPv6 one has no brackets. */
  get address(): string {
    return `${this.host}:${this.port}`;
  }

  /** The process that runs, or undefined. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** A new connection to the node, authenticated where the node asks for it. */
  async connect(): Promise<WireClient> {
    const client = await WireClient.connect(this.host, this.port);
    const password = this.directives["requirepass"];
    try {
      if (password !== undefined) await client.ask("AUTH", password);
    } catch (error) {
      client.close();
      throw error;
    }
    return client;
  }

  /** Asks the node one command on a connection of its own. */
  async ask(...words: string[]): Promise<Value> {
    using client = await this.connect();
    return await client.ask(...words);
  }

  /**
   * Asks the node one command that must not fail.
   *
   * @throws {Error} when the reply is an error
   */
  async order(...words: string[]): Promise<Value> {
    const value = await this.ask(...words);
    if (value.type !== "-") return value;
    throw new Error(`${this.address} answered '${value.text}' to ${words.slice(0, 3).join(" ")}`);
  }

  /** Starts the process and waits until it answers. */
  async start(): Promise<void> {
    if (this.#process !== undefined) throw new Error(`Node ${this.address} runs already`);
    await Deno.mkdir(this.#directory, { recursive: true });
    const conf = Object.entries(this.directives).map(([name, rest]) => `${name} ${rest}\n`);
    await Deno.writeTextFile(join(this.#directory, "redis.conf"), conf.join(""));
    // Deno ends the process with the test's own, however that ends but by a signal.
    const process = new Deno.Command(this.#server.path, {
      args: ["redis.conf"],
      cwd: this.#directory,
      stdin: "null",
      stdout: "null",
    }).spawn();
    this.#process = process;
    let ended: Deno.CommandStatus | undefined;
    process.status.then((status) => ended = status);
    const id = await until(`node ${this.address} answers`, async () => {
      return ended ?? textOf(await this.order("CLUSTER", "MYID"));
    });
    if (typeof id !== "string") {
      await this.kill();
      throw new Error(`Node ${this.address} ended with the code ${id.code}`);
    }
    this.#id = id;
  }

  /** Ends the process in order, as SIGTERM does. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  /** Ends the process at once, as SIGKILL does. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Starts the process again at the same address, after a stop if it runs. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** The last lines of the node's log. */
  async logTail(): Promise<string> {
    const log = await Deno.readTextFile(join(this.#directory, LOG)).catch(() => "no log");
    return `--- ${this.address}\n${log.trimEnd().split("\n").slice(-LOG_LINES).join("\n")}`;
  }

  async #end(signal: Deno.Signal): Promise<void> {
    const process = this.#process;
    if (process === undefined) return;
    this.#process = undefined;
    try {
      process.kill(signal);
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
    }
    await process.status;
  }

  #ownDirectives(): Directives {
    return {
      "port": `${this.port}`,
      "bind": this.host,
      // Peers take the source of a node's connections for its address. Before 7.0 the first
      // address of `bind` was the source.
      ...this.#server.major >= 7 ? { "bind-source-addr": this.host } : {},
      "protected-mode": "no",
      "daemonize": "no",
      "logfile": LOG,
      "save": '""',
      "appendonly": "no",
      "cluster-enabled": "yes",
      "cluster-node-timeout": "3000",
      // Replicas are listed by CLUSTER SLOTS when the first byte has reached them.
      "repl-ping-slave-period": "1",
      "repl-diskless-sync": "yes",
      "repl-diskless-sync-delay": "0",
    };
  }
}

const SLOTS = 16_384;

const LOG = "server.log";

/** Enough to see the start, or why the node gave up. */
const LOG_LINES = 20;

/** A cluster forms in about 3 s; a loaded machine with two cores may take several times that. */
const FORMING_DEADLINE_MS = 30_000;

/**
 * Nodes tell each other news, such as how far a replica has come, twice in this time. It is
 * short only while a cluster forms: afterwards a slow machine would look like a failure.
 */
const FORMING_NODE_TIMEOUT_MS = "1000";

/** The bus listens this far above the client port. */
const BUS_OFFSET = 10_000;

/** Client and bus ports are taken below those that systems give to outgoing connections. */
const PORTS = { first: 11_000, count: 11_000 };

/** The flags in CLUSTER NODES of a node that is not settled. */
const UNSETTLED = /\b(handshake|noaddr|fail)\b/;

/** The server program of this test run. */
class Server {
  readonly path: string;
  readonly major: number;

  private constructor(path: string, major: number) {
    this.path = path;
    this.major = major;
  }

  /** Finds the program that REDIS_SERVER names, or else redis-server or valkey-server. */
  static async find(): Promise<Server> {
    const named = Deno.env.get("REDIS_SERVER");
    for (const path of named ? [named] : ["redis-server", "valkey-server"]) {
      try {
        const { stdout } = await new Deno.Command(path, { args: ["--version"] }).output();
        const major = /v=(\d+)/.exec(new TextDecoder().decode(stdout))?.[1];
        if (major === undefined) throw new Error(`'${path}' is no Redis or Valkey server`);
        return new Server(path, Number(major));
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    throw new Error("No server was found: set REDIS_SERVER to the path of one");
  }
}

/** Like Promise.all, but leaves nothing going on in the background when one fails. */
async function all<T>(promises: Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return await Promise.all(promises);
}

interface Place {
  host: string;
  port: number;
}

/** Finds an address for each node where it and its bus can listen. */
function findPlaces(count: number, { samePort, family }: ClusterOptions): Place[] {
  const ownAddresses = family !== "IPv6" && Deno.build.os === "linux";
  if (samePort && !ownAddresses) throw new RangeError("One port for all needs Linux and IPv4");
  const random = seededRandom(Math.random() * 2 ** 32);
  // Unlike 127.0.0.1, where the public side of a proxy is in tests.
  const network = `127.${1 + random.int(254)}.${1 + random.int(254)}`;
  const hosts = Array.from({ length: count }, (_, index) => {
    if (ownAddresses) return `${network}.${index + 1}`;
    return family === "IPv6" ? "::1" : "127.0.0.1";
  });
  using stack = new DisposableStack();
  function canListen(host: string, port: number): boolean {
    try {
      for (const at of [port, port + BUS_OFFSET]) {
        stack.use(Deno.listen({ hostname: host, port: at }));
      }
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.AddrInUse) return false;
      throw error;
    }
  }
  function findPort(hosts: string[]): number {
    for (;;) {
      const port = PORTS.first + random.int(PORTS.count);
      if (hosts.every((host) => canListen(host, port))) return port;
    }
  }
  if (samePort) {
    const port = findPort(hosts);
    return hosts.map((host) => ({ host, port }));
  }
  return hosts.map((host) => ({ host, port: findPort([host]) }));
}
