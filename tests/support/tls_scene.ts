import type { Config } from "../../src/cli/config.ts";
import type { Connection } from "../../src/platform/net.ts";
import { Resettable } from "./resettable.ts";
import { Scene } from "./scripted_node.ts";
import { TemporaryDirectory } from "./temporary.ts";
import { CLIENT_TLS, NodeTls, secure, type TestConnection } from "./tls.ts";
import { overriding } from "./tls_pair.ts";
import type { WireClient } from "./wire.ts";

/** What passes below TLS: the connection itself, or one that changes its bytes. */
export type Below = (tcp: TestConnection) => TestConnection;

const UNCHANGED: Below = (tcp) => tcp;

/** A connection of which some methods are others. */
export function changing(tcp: TestConnection, methods: Partial<Connection>): TestConnection {
  return {
    ...overriding(tcp, methods),
    setNoDelay: (on) => tcp.setNoDelay(on),
    reset: () => tcp.reset!(),
    [Symbol.dispose]: () => tcp.close(),
  };
}

/** Below TLS, each byte is sent for itself. */
export const byteByByte: Below = (tcp) =>
  changing(tcp, { write: (bytes) => tcp.write(bytes.subarray(0, 1)) });

/** The TCP connections below TLS that were opened last. */
interface Sides {
  client: Resettable | undefined;
  node: Resettable | undefined;
}

/** A proxy in this process that speaks TLS to its clients and to a scripted node, see `Scene`. */
export class TlsScene extends Scene {
  readonly #directory: TemporaryDirectory;
  readonly #tcp: Sides;

  private constructor(
    parts: Pick<Scene, "node" | "proxy">,
    directory: TemporaryDirectory,
    tcp: Sides,
  ) {
    super(parts);
    this.#directory = directory;
    this.#tcp = tcp;
  }

  /**
   * Starts one.
   *
   * @param overrides changes to the configuration of the proxy
   * @param below what passes below TLS at the node
   */
  static override async start(
    overrides: Partial<Config> = {},
    below = UNCHANGED,
  ): Promise<TlsScene> {
    await using stack = new AsyncDisposableStack();
    const directory = stack.use(await TemporaryDirectory.create());
    const file = async (name: keyof typeof CLIENT_TLS) => {
      const path = directory.at(name);
      await Deno.writeTextFile(path, CLIENT_TLS[name], { mode: 0o600 });
      return { path, source: name };
    };
    const identity = {
      certificates: await file("cert"),
      key: await file("key"),
      passphrase: undefined,
    };
    const config: Partial<Config> = {
      tls: { identity, clientCa: undefined, clientAuth: "no", minVersion: "TLSv1.2" },
      clusterTls: { identity, ca: await file("ca"), serverName: undefined, verify: "full" },
      ...overrides,
    };
    const tls = new NodeTls("127.0.0.1");
    const tcp: Sides = { client: undefined, node: undefined };
    const parts = await Scene.startParts(config, async (accepted) => {
      const secured = await tls.accept(below(accepted));
      tcp.node = accepted;
      return secured;
    });
    stack.move();
    return new TlsScene(parts, directory, tcp);
  }

  /** Connects a client; `below` is what passes below TLS. */
  override async connect(below = UNCHANGED): Promise<WireClient> {
    const { host } = this.node;
    const tcp = this.#tcp.client = await Resettable.connect(host, this.port);
    return this.own(await secure(below(tcp), host));
  }

  /** Connects a client that has not begun TLS. */
  async connectTcp(): Promise<WireClient> {
    return this.own(await Resettable.connect(this.node.host, this.port));
  }

  /** The TCP connection below that which was opened last, at a client or at the node. */
  tcp(side: keyof Sides): Resettable {
    return this.#tcp[side]!;
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    await this.#directory[Symbol.asyncDispose]();
  }
}
