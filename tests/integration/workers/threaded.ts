import { formatHostPort, type HostPort } from "../../../src/platform/address.ts";
import { type NatOptions, NatProcess } from "../../support/nat_process.ts";
import { type Pair, PING, ScriptedNode } from "../../support/scripted_node.ts";
import { WireClient } from "../../support/wire.ts";

export const AT = "127.0.0.1";

/** The program with several threads; its log has the thread of each client. */
export function threadedNat(
  seed: HostPort,
  flags: readonly string[] = [],
  options: NatOptions = {},
): NatProcess {
  const address = [`--cluster-addr=${formatHostPort(seed)}`, `--listen-addr=${AT}:0`];
  const log = ["--log-level=debug", "--log-format=json"];
  return new NatProcess([...address, "--threads=2", ...log, ...flags], options);
}

/** Waits until a client is connected to its node, and returns the number of its thread. */
export async function threadOf(nat: NatProcess, client: WireClient): Promise<number> {
  const address = client.localAddress.replaceAll(".", "\\.");
  const [, thread] = await nat.untilLogged(
    new RegExp(`^.* is connected to node .*"thread":(\\d+).*"client_addr":"${address}".*$`, "m"),
  );
  return Number(thread);
}

/** Connects until the kernel has given the client to a certain thread. */
export async function connectIn(
  thread: number,
  nat: NatProcess,
  port: number,
): Promise<WireClient> {
  for (;;) {
    const client = await WireClient.connect(AT, port);
    if (await threadOf(nat, client) === thread) return client;
    client.close();
  }
}

/** The program with several threads in front of a scripted node. */
export class ThreadedScene implements AsyncDisposable {
  readonly node: ScriptedNode;
  readonly nat: NatProcess;
  readonly #clients = new DisposableStack();

  private constructor(node: ScriptedNode, nat: NatProcess) {
    this.node = node;
    this.nat = nat;
  }

  static async start(flags: readonly string[] = [], options?: NatOptions): Promise<ThreadedScene> {
    const node = await ScriptedNode.start();
    const nat = threadedNat(node, ["--refresh-interval=0", ...flags], options);
    await node.introduce();
    return new ThreadedScene(node, await nat.ready());
  }

  /** Connects until the kernel has given the client to a certain thread, and returns both ends. */
  async openIn(thread: number): Promise<Pair> {
    for (;;) {
      const client = this.#clients.use(await WireClient.connect(AT, this.nat.portOf(this.node)));
      const peer = await this.node.accept();
      if (await threadOf(this.nat, client) === thread) return { client, peer };
      client.close();
      peer.close();
    }
  }

  /** Connects a client to each of some threads, with a request that has reached the node. */
  async askIn(...threads: readonly number[]): Promise<Pair[]> {
    const pairs: Pair[] = [];
    for (const thread of threads) {
      const pair = await this.openIn(thread);
      await pair.client.send(PING);
      await pair.peer.readUntil(PING);
      pairs.push(pair);
    }
    return pairs;
  }

  /** Sends SIGTERM, and waits until the program is stopping. */
  async stop(): Promise<void> {
    this.nat.signal("SIGTERM");
    await this.nat.untilLogged(/"Stopping"/);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#clients.dispose();
    await this.nat[Symbol.asyncDispose]();
    await this.node[Symbol.asyncDispose]();
  }
}
