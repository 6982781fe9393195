import net from "node:net";
import { assertEquals } from "@std/assert";
import type { Config } from "../../src/cli/config.ts";
import { bulk } from "./frames.ts";
import { type LocalProxy, startProxy } from "./proxy.ts";
import { Resettable } from "./resettable.ts";
import { NodeTls, secure, type TestConnection, TLS } from "./tls.ts";
import { until, within } from "./until.ts";
import { WireClient } from "./wire.ts";

const ACCEPT_DEADLINE_MS = 5_000;

/** A probe of the proxy ends sooner. */
const PROBE_MS = 20;

/** Does the handshake of TLS on a connection, which it owns; its result speaks TLS. */
export type Secure = (connection: Resettable) => Promise<TestConnection>;

/**
 * A node whose bytes a test controls: it answers the proxy's own queries as a cluster of one node,
 * and hands each later connection to the test.
 */
export class ScriptedNode implements AsyncDisposable {
  readonly id = "5".repeat(40);
  readonly host = "127.0.0.1";
  readonly port: number;
  readonly #server: net.Server;
  readonly #waiting: Accepted[] = [];
  /** In the handshake of TLS. */
  readonly #securing = new Set<Resettable>();
  readonly #secure: Secure | undefined;
  /** The connections returned so far, including those that have ended. */
  readonly peers: WireClient[] = [];
  #wake = () => {};

  private constructor(server: net.Server, secure: Secure | undefined) {
    this.#server = server;
    this.#secure = secure;
    this.port = (server.address() as net.AddressInfo).port;
    server.on("connection", (socket) => this.#receive(new Resettable(socket)));
  }

  /** @param secure what the node does with each connection; by default what this run wants */
  static async start(secure = secureAsRun()): Promise<ScriptedNode> {
    const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new ScriptedNode(server, secure);
  }

  get address(): string {
    return `${this.host}:${this.port}`;
  }

  /**
   * Returns the next connection, except for probes of the proxy, which end at once without a byte.
   * The node closes it at the end.
   */
  async accept(): Promise<WireClient> {
    for (;;) {
      if (this.#waiting.length === 0) {
        const coming = new Promise<void>((resolve) => this.#wake = resolve);
        await within("see a connection", coming, ACCEPT_DEADLINE_MS);
      }
      const { tcp, secured } = this.#waiting.shift()!;
      if (secured === undefined && await tcp.isOverWithin(PROBE_MS)) {
        tcp.close();
        continue;
      }
      const peer = new WireClient(secured ?? tcp);
      this.peers.push(peer);
      return peer;
    }
  }

  /** Answers the queries of a proxy that starts. */
  async introduce(): Promise<void> {
    using link = await this.accept();
    const lines = `${this.id} ${this.address}@1 myself,master - 0 0 1 connected 0-16383\n`;
    const answers = [bulk(lines), bulk("cluster_state:ok\r\n"), "-ERR no shards\r\n"];
    await link.readFrames(answers.length);
    await link.send(answers.join(""));
    await link.readToEnd();
    this.peers.pop();
  }

  close(): void {
    this.#server.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const peer of this.peers) peer.close();
    for (const { tcp } of this.#waiting) tcp.close();
    for (const tcp of this.#securing) tcp.close();
    if (!this.#server.listening) return;
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #receive(tcp: Resettable): Promise<void> {
    this.#securing.add(tcp);
    try {
      this.#waiting.push({ tcp, secured: await this.#secure?.(tcp) });
      this.#wake();
    } catch {
      // A probe, or the test has ended it.
      tcp.close();
    } finally {
      this.#securing.delete(tcp);
    }
  }
}

function secureAsRun(): Secure | undefined {
  if (!TLS.nodes) return undefined;
  const tls = new NodeTls("127.0.0.1");
  return (connection) => tls.accept(connection);
}

/** A connection that the node has accepted. */
interface Accepted {
  readonly tcp: Resettable;
  /** TLS over it, if the node speaks that. */
  readonly secured: TestConnection | undefined;
}

/** A client, and its connection at the node. */
export interface Pair {
  readonly client: WireClient;
  readonly peer: WireClient;
}

/**
 * A proxy in this process in front of a scripted node:
 *
 *     await using scene = await Scene.start();
 *     const { client, peer } = await scene.open();
 */
export class Scene implements AsyncDisposable {
  readonly node: ScriptedNode;
  readonly proxy: LocalProxy;
  readonly #clients: WireClient[] = [];

  protected constructor({ node, proxy }: Pick<Scene, "node" | "proxy">) {
    this.node = node;
    this.proxy = proxy;
  }

  /** @param overrides changes to the configuration of the proxy */
  static async start(overrides: Partial<Config> = {}): Promise<Scene> {
    return new Scene(await Scene.startParts(overrides));
  }

  /** @param secure see `ScriptedNode.start` */
  protected static async startParts(
    overrides: Partial<Config>,
    secure?: Secure,
  ): Promise<Pick<Scene, "node" | "proxy">> {
    await using stack = new AsyncDisposableStack();
    const node = stack.use(await ScriptedNode.start(secure));
    const config = { publicHost: "nat.example", refreshIntervalMs: Infinity, ...overrides };
    const [proxy] = await Promise.all([startProxy({ nodes: [node] }, config), node.introduce()]);
    stack.move();
    return { node, proxy };
  }

  get port(): number {
    return this.proxy.ports[0]!;
  }

  /** Connects a client; its requests wait until the node accepts. */
  async connect(): Promise<WireClient> {
    const { host } = this.node;
    const tcp = await Resettable.connect(host, this.port);
    return this.own(TLS.clients ? await secure(tcp, host) : tcp);
  }

  /** A client over a connection, which is closed with the scene. */
  protected own(connection: TestConnection): WireClient {
    const client = new WireClient(connection);
    this.#clients.push(client);
    return client;
  }

  /** Connects a client, and returns both ends when the node has got a request and sent a reply. */
  async open(asked = "", sent = ""): Promise<Pair> {
    const client = await this.connect();
    const peer = await this.node.accept();
    await client.send(asked);
    assertEquals(await peer.readUntil(asked), asked);
    await peer.send(sent);
    return { client, peer };
  }

  /** Checks that a request and its reply pass. */
  async assertServes({ client, peer }: Pair): Promise<void> {
    await client.send(PING);
    assertEquals(await peer.readUntil(PING), PING);
    await peer.send(PONG);
    assertEquals(await client.readUntil(PONG), PONG);
  }

  /** Waits until --capture-timeout has ended the session of a client whose reply is unfinished. */
  async outlastCapture(): Promise<void> {
    const { client } = await this.open(SLOTS, "*1\r\n");
    assertEquals(await client.readToEnd(), "");
  }

  /** Waits until no session, no upstream connection and no capture is left, once some clients have gone. */
  async assertNothingLeft(...leaving: readonly Pair[]): Promise<void> {
    for (const { client } of leaving) client.close();
    for (const peer of this.node.peers) {
      if (peer.isClosed) continue;
      await peer.readToEnd();
      peer.close();
    }
    const { proxy } = this.proxy;
    await until("the proxy has forgotten every client", (saw) => {
      saw(`${proxy.sessionCount} sessions`);
      return proxy.sessionCount === 0;
    });
    assertEquals(proxy.capturedBytes, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.proxy[Symbol.asyncDispose]();
    await this.node[Symbol.asyncDispose]();
  }
}

/** A request and its reply. */
export const PING = "*1\r\n$4\r\nPING\r\n";
export const PONG = "+PONG\r\n";

/** Requests whose replies are rewritten. */
export const NODES = "*2\r\n$7\r\nCLUSTER\r\n$5\r\nNODES\r\n";
export const SLOTS = "*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n";

/** The reply of a node that is the whole cluster. */
export function slotsOf({ host, port, id }: { host: string; port: number; id: string }): string {
  return `*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n${bulk(host)}:${port}\r\n${bulk(id)}*0\r\n`;
}
