import { formatHostPort } from "./address.ts";
import { type MappedNode, UnmappedError } from "./cluster/directory.ts";
import { Locator } from "./cluster/locator.ts";
import { Topology } from "./cluster/topology.ts";
import { TopologyWatch } from "./cluster/watch.ts";
import type { Config } from "./config.ts";
import { log } from "./log.ts";
import { byPort, createMapping, discover, type Mapping, mappingLine } from "./mapping.ts";
import { close, type Connection, listen, type Listener, writeAll } from "./net.ts";
import { Records } from "./records.ts";
import { fromLatin1 } from "./resp/bytes.ts";
import { ClientAddresses } from "./session/clients.ts";
import { Resolver } from "./session/resolver.ts";
import { Session, type SessionContext } from "./session/session.ts";

/** As the servers say it (networking.c `acceptCommonHandler`). */
const TOO_MANY_CLIENTS = "-ERR max number of clients reached\r\n";

/** Between two attempts to accept a client when the system has no descriptors left for one. */
const ACCEPT_PAUSE_MS = 100;

/** A port cannot be listened on. The message is for the operator. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

/**
 * The proxy in service: a listener for each node, a session for each client. `start` gives one
 * that listens; `stop` ends it.
 */
export class Proxy {
  readonly #config: Config;
  readonly #announce: (line: string) => void;
  readonly #topology: Topology;
  readonly #mapping: Mapping;
  readonly #records: Records;
  readonly #context: SessionContext;
  readonly #watch: TopologyWatch;
  readonly #listeners = new Map<MappedNode, Listener[]>();
  readonly #sessions = new Map<Session, Promise<void>>();
  #accepted = 0;
  #started = false;
  #stopping = false;

  private constructor(config: Config, topology: Topology, announce: (line: string) => void) {
    this.#config = config;
    this.#announce = announce;
    this.#topology = topology;
    this.#mapping = createMapping(config, {
      open: (node, port) => this.#open(node, port),
      close: (node) => this.#close(node),
      moved: (node) => this.#follow(node),
      disputed: () => this.#watch.hint(),
      learned: () => this.#started && this.#records.update(),
    });
    this.#records = new Records(config, this.#mapping);
    const { directory } = this.#mapping;
    this.#watch = new TopologyWatch(directory, topology, config.refreshIntervalMs);
    this.#context = {
      whereabouts: {
        publicHost: config.publicHost,
        directory,
        locator: new Locator(directory, topology),
        clients: new ClientAddresses(),
        resolver: new Resolver(),
      },
      readBufferBytes: config.readBufferBytes,
      echo: config.echo,
      unreachable: () => this.#watch.hint(),
    };
  }

  /**
   * Waits for the cluster, then listens for each of its nodes.
   *
   * @param announce gets a line for each node when it is listened for, in the order of ports
   * @throws {NotReadyError | ListenError | StateFileError | RecordError} when it cannot; then
   * nothing is left listening
   */
  static async start(config: Config, announce: (line: string) => void): Promise<Proxy> {
    const topology = new Topology({ seeds: config.seeds, credentials: config.credentials });
    const proxy = new Proxy(config, topology, announce);
    try {
      await discover(proxy.#mapping, topology, config);
      await proxy.#records.begin();
    } catch (error) {
      await proxy.stop();
      throw error;
    }
    proxy.#started = true;
    for (const node of byPort(proxy.nodes)) announce(mappingLine(config, node));
    // Clients may have made it learn something meanwhile.
    proxy.#records.update();
    proxy.#watch.start();
    return proxy;
  }

  /** The nodes and their public ports, in the order of ports given out. */
  get nodes(): readonly MappedNode[] {
    return this.#mapping.directory.nodes;
  }

  /** How many clients are connected. */
  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** Stops listening, ends all sessions, and is done when they are. */
  async stop(): Promise<void> {
    this.#stopping = true;
    // A session that waits to hear about a node need not any more.
    this.#topology.close();
    for (const listeners of this.#listeners.values()) listeners.forEach(close);
    this.#listeners.clear();
    for (const session of this.#sessions.keys()) session.end();
    await Promise.all([this.#watch.stop(), ...this.#sessions.values()]);
    await this.#records.settled();
  }

  #open(node: MappedNode, port: number): number {
    if (this.#stopping) throw new UnmappedError("The proxy is stopping");
    const opened: Listener[] = [];
    try {
      for (const host of listenHosts(this.#config.listen.host)) {
        opened.push(listen(host, opened[0]?.addr.port ?? port));
      }
    } catch (error) {
      opened.forEach(close);
      throw listenError(this.#config.listen.host, port, error);
    }
    for (const listener of opened) this.#accept(listener, node);
    this.#listeners.set(node, opened);
    const publicPort = opened[0]!.addr.port;
    if (this.#started) this.#announce(mappingLine(this.#config, { ...node, publicPort }));
    return publicPort;
  }

  #close(node: MappedNode): void {
    this.#listeners.get(node)?.forEach(close);
    this.#listeners.delete(node);
    this.#endSessions(node);
  }

  #follow(node: MappedNode): void {
    this.#endSessions(node);
    if (this.#started) this.#announce(mappingLine(this.#config, node));
  }

  #endSessions(node: MappedNode): void {
    for (const session of this.#sessions.keys()) if (session.node === node) session.end();
  }

  /** Takes the clients of one listener until it is closed. */
  async #accept(listener: Listener, node: MappedNode): Promise<void> {
    const isOpen = () => this.#listeners.get(node)?.includes(listener) ?? false;
    do {
      try {
        const client = await listener.accept();
        if (isOpen()) this.#serve(client, node);
        else close(client);
      } catch (error) {
        if (!isOpen()) return;
        log.error("Cannot accept a client on port {port}, trying again: {reason}", {
          port: listener.addr.port,
          reason: error instanceof Error ? error.message : String(error),
        });
        await new Promise((resolve) => setTimeout(resolve, ACCEPT_PAUSE_MS));
      }
    } while (isOpen());
  }

  #serve(client: Connection, node: MappedNode): void {
    if (this.#sessions.size >= this.#config.maxClients) {
      turnAway(client);
      return;
    }
    const session = new Session(++this.#accepted, client, node, this.#context);
    this.#sessions.set(session, session.run().finally(() => this.#sessions.delete(session)));
  }
}

/** `localhost` is two addresses where there is IPv6, and clients try either first. */
function listenHosts(host: string): string[] {
  return host === "localhost" ? ["127.0.0.1", ...(canListen("::1") ? ["::1"] : [])] : [host];
}

function canListen(host: string): boolean {
  try {
    listen(host, 0).close();
    return true;
  } catch {
    return false;
  }
}

function listenError(host: string, port: number, error: unknown): ListenError {
  const address = formatHostPort({ host, port });
  const reason = error instanceof Deno.errors.AddrInUse
    ? "the port is taken by another program; free it or choose another --listen-addr or --port-map"
    : error instanceof Deno.errors.AddrNotAvailable
    ? "this machine has no such address; mend the host of --listen-addr"
    : error instanceof Error
    ? error.message
    : String(error);
  return new ListenError(`Cannot listen on ${address}: ${reason}`, { cause: error });
}

async function turnAway(client: Connection): Promise<void> {
  try {
    await writeAll(client, fromLatin1(TOO_MANY_CLIENTS));
  } catch {
    // It left by itself.
  } finally {
    close(client);
  }
}
