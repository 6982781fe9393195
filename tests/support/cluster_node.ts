import { join } from "node:path";
import { textOf, type Value } from "../../src/resp/frame.ts";
import type { Place } from "./cluster_places.ts";
import type { Certificates } from "./cluster_tls.ts";
import { Program, run } from "./program.ts";
import { secure } from "./tls.ts";
import { until } from "./until.ts";
import { WireClient } from "./wire.ts";

/** Lines of a redis.conf: values by directive. */
export type Directives = Readonly<Record<string, string>>;

/** One server of a cluster; the cluster owns its process. */
export class ClusterNode {
  /** The port for plain text or, in a cluster that speaks TLS only, for TLS. */
  readonly port: number;
  /** The port for TLS; undefined in a cluster without TLS. */
  readonly tlsPort: number | undefined;
  /** At the start; a failover may have changed it since. */
  readonly role: "primary" | "replica";
  readonly #server: Server;
  readonly #directory: string;
  readonly #certificates: Certificates | undefined;
  #given: Directives;
  /** Its address, which changes when the node is relocated. */
  host: string;
  /** The node id, 40 hexadecimal digits. */
  id = "";
  #process: Program | undefined;

  constructor(
    server: Server,
    { host, port, tlsPort, role, directives, directory, certificates }: Place & {
      role: "primary" | "replica";
      directives: Directives;
      directory: string;
      certificates: Certificates | undefined;
    },
  ) {
    this.host = host;
    this.port = port;
    this.tlsPort = certificates && (tlsPort ?? port);
    this.#certificates = certificates;
    this.role = role;
    this.#server = server;
    // INFO shows this path, so it must not contain the address.
    this.#directory = join(directory, host.replaceAll(/[.:]/g, "-") + `-${port}`);
    this.#given = directives;
  }

  /** All lines of its redis.conf. */
  get directives(): Directives {
    const password = this.#given["requirepass"];
    return {
      ...this.#ownDirectives(),
      ...password === undefined ? {} : { "masterauth": password },
      ...this.#given,
    };
  }

  /** The address as servers print it: IPv6 without brackets. */
  get address(): string {
    return `${this.host}:${this.port}`;
  }

  /** The id of its process, while that runs. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** The port that other nodes need for CLUSTER MEET and MIGRATE. */
  get peerPort(): number {
    const { "tls-cluster": isTls, "tls-port": tlsPort } = this.directives;
    return isTls === "yes" ? Number(tlsPort) : this.port;
  }

  /** Changes settings of the running node, which it keeps when it is started again. */
  async configure(directives: Directives): Promise<void> {
    using client = await this.connect();
    const settings = Object.entries(directives);
    for (const value of await client.askAll(settings.map((one) => ["CONFIG", "SET", ...one]))) {
      if (value.type === "-") throw new Error(`${this.address} answered '${value.text}'`);
    }
    this.#given = { ...this.#given, ...directives };
  }

  /**
   * Opens a connection to the node, authenticated if the node has a password. It speaks TLS if the
   * node has no port for plain text.
   */
  async connect(): Promise<WireClient> {
    const client = this.directives["port"] === "0"
      ? await this.connectTls()
      : await WireClient.connectTcp(this.host, this.port);
    return await this.#authenticate(client);
  }

  /**
   * Opens a connection in TLS, see `connect`.
   *
   * @throws {RangeError} if the cluster was started without TLS
   */
  async connectTls(): Promise<WireClient> {
    if (this.#certificates === undefined) throw new RangeError(`${this.address} has no TLS port`);
    const connection = await Deno.connect({ hostname: this.host, port: this.tlsPort! });
    return await this.#authenticate(new WireClient(await secure(connection, this.host)));
  }

  async #authenticate(client: WireClient): Promise<WireClient> {
    const password = this.directives["requirepass"];
    try {
      if (password !== undefined) await client.ask("AUTH", password);
    } catch (error) {
      client.close();
      throw error;
    }
    return client;
  }

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

  /**
   * Starts the process and waits until it answers.
   *
   * @param host the node's address from now on, if it is another than before
   */
  async start(host = this.host): Promise<void> {
    if (this.#process !== undefined) throw new Error(`Node ${this.address} runs already`);
    this.host = host;
    await Deno.mkdir(this.#directory, { recursive: true });
    const conf = Object.entries(this.directives).map(([name, rest]) => `${name} ${rest}\n`);
    await Deno.writeTextFile(join(this.#directory, "redis.conf"), conf.join(""));
    // Deno ends the process with its own, unless a signal ends that.
    const process = new Program([this.#server.path, "redis.conf"], { cwd: this.#directory });
    this.#process = process;
    const id = await until(`node ${this.address} answers`, async () => {
      return process.code ?? textOf(await this.order("CLUSTER", "MYID"));
    });
    if (typeof id !== "string") {
      await this.kill();
      throw new Error(`Node ${this.address} ended with the code ${id}: ${process.stderr}`);
    }
    this.id = id;
  }

  async stop(): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    if (process?.code === undefined) process?.signal("SIGTERM");
    await process?.ended();
  }

  async kill(): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    await process?.kill();
  }

  /** The last lines of the node's log. */
  async logTail(): Promise<string> {
    return (await this.log()).split("\n").slice(-LOG_LINES).join("\n");
  }

  /** The node's log, after its address. */
  async log(): Promise<string> {
    const log = await Deno.readTextFile(join(this.#directory, LOG)).catch(() => "no log");
    return `--- ${this.address}\n${log.trimEnd()}`;
  }

  #ownDirectives(): Directives {
    return {
      ...this.#listenDirectives(),
      "bind": this.host,
      // Peers learn a node's address from the source of its connections. Before 7.0 the first
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

  #listenDirectives(): Directives {
    if (this.#certificates === undefined) return { "port": `${this.port}` };
    return {
      "port": this.tlsPort === this.port ? "0" : `${this.port}`,
      "tls-port": `${this.tlsPort}`,
      ...this.#certificates.files,
      "tls-cluster": "yes",
      "tls-replication": "yes",
    };
  }
}

const LOG = "server.log";

/** Shows the start, or why the node gave up. */
const LOG_LINES = 20;

/**
 * Valkey 8 and later answer SETSLOT once the replicas have it, one at a time for each
 * connection; other servers answer at once.
 */
const SLOT_CONNECTIONS = { valkey: 64, others: 1 };

/** The server program of this test run. */
export class Server {
  readonly path: string;
  readonly major: number;
  /** Number of connections over which slots move. */
  readonly slotConnections: number;

  private constructor(path: string, version: string, major: number) {
    this.path = path;
    this.major = major;
    const isNewValkey = /^valkey/i.test(version) && major >= 8;
    this.slotConnections = isNewValkey ? SLOT_CONNECTIONS.valkey : SLOT_CONNECTIONS.others;
  }

  /** Finds the program that REDIS_SERVER names, or else redis-server or valkey-server. */
  static async find(): Promise<Server> {
    const named = Deno.env.get("REDIS_SERVER");
    for (const path of named ? [named] : ["redis-server", "valkey-server"]) {
      try {
        const { output: version } = await run([path, "--version"]);
        const major = /v=(\d+)/.exec(version)?.[1];
        if (major === undefined) throw new Error(`'${path}' is no Redis or Valkey server`);
        return new Server(path, version, Number(major));
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    throw new Error("No server was found: set REDIS_SERVER to the path of one");
  }
}

/** Halts the process of a node until the block ends. */
export function halt({ pid }: ClusterNode): Disposable {
  Deno.kill(pid!, "SIGSTOP");
  return { [Symbol.dispose]: () => Deno.kill(pid!, "SIGCONT") };
}
