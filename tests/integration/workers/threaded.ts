import type { HostPort } from "../../../src/platform/address.ts";
import { formatHostPort } from "../../../src/platform/address.ts";
import { type NatOptions, NatProcess } from "../../support/nat_process.ts";
import { type Pair, PING, type ScriptedNode } from "../../support/scripted_node.ts";
import { WireClient } from "../../support/wire.ts";

/** Other kernels do not distribute connections over threads. */
export const ON_LINUX = { ignore: Deno.build.os !== "linux" };

export const AT = "127.0.0.1";

/** The program with several threads; its log has the thread of each client. */
export function threadedNat(
  seed: HostPort,
  flags: readonly string[] = [],
  options: NatOptions = {},
): NatProcess {
  return new NatProcess([
    `--cluster-addr=${formatHostPort(seed)}`,
    `--listen-addr=${AT}:0`,
    "--threads=2",
    "--log-level=debug",
    "--log-format=json",
    ...flags,
  ], options);
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

/** The same in front of a scripted node; returns both ends. */
export async function openIn(thread: number, nat: NatProcess, node: ScriptedNode): Promise<Pair> {
  for (;;) {
    const client = await WireClient.connect(AT, nat.mapping.get(node.address)!);
    const peer = await node.accept();
    if (await threadOf(nat, client) === thread) return { client, peer };
    client.close();
    peer.close();
  }
}

/** Connects a client to each of some threads, and sends a request that has reached the node. */
export async function askIn(
  threads: readonly number[],
  nat: NatProcess,
  node: ScriptedNode,
): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (const thread of threads) {
    const pair = await openIn(thread, nat, node);
    await pair.client.send(PING);
    await pair.peer.readUntil(PING);
    pairs.push(pair);
  }
  return pairs;
}

/** The program with several threads in front of a scripted node. */
export async function startScripted(
  node: ScriptedNode,
  flags: readonly string[] = [],
  options: NatOptions = {},
): Promise<NatProcess> {
  const nat = threadedNat(node, ["--refresh-interval=0", ...flags], options);
  await node.introduce();
  return await nat.ready();
}
