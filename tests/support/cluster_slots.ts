import { itemsOf, textOf, type Value } from "../../src/resp/frame.ts";
import { type ClusterNode } from "./cluster_node.ts";
import type { WireClient } from "./wire.ts";

/** Nodes write their state to disk after each step, so many slots move in one. */
const SLOTS_AT_ONCE = 256;

/** MIGRATE blocks both nodes, so few keys move at once. */
const KEYS_AT_ONCE = 100;

/** The timeout of MIGRATE. */
const MIGRATE_TIMEOUT_MS = 5_000;

/** Slots that move from one primary to another, and the other primaries. */
export interface SlotMove {
  readonly slots: readonly number[];
  readonly from: ClusterNode;
  readonly to: ClusterNode;
  readonly witnesses: readonly ClusterNode[];
}

/** Moves slots with their keys, over this number of connections to each node. */
export async function moveSlots(
  { slots, from, to, witnesses }: SlotMove,
  connections: number,
): Promise<void> {
  using connected = new DisposableStack();
  const clients = new Map<ClusterNode, readonly WireClient[]>();
  for (const node of [to, from, ...witnesses]) {
    const connecting = Array.from({ length: connections }, () => node.connect());
    clients.set(node, (await all(connecting)).map((client) => connected.use(client)));
  }
  for (let first = 0; first < slots.length; first += SLOTS_AT_ONCE) {
    const some = slots.slice(first, first + SLOTS_AT_ONCE);
    const setSlots = (node: ClusterNode, ...words: string[]) =>
      orderAll(
        clients.get(node)!,
        some.map((slot) => ["CLUSTER", "SETSLOT", `${slot}`, ...words]),
      );
    await setSlots(to, "IMPORTING", from.id);
    await setSlots(from, "MIGRATING", to.id);
    await moveKeys(clients.get(from)![0]!, some, to);
    // The new owner first: the slot would have no owner if the old one died before.
    for (const node of clients.keys()) {
      try {
        await setSlots(node, "NODE", to.id);
      } catch (error) {
        // A primary that has lost its last slot may be a replica of the new owner by now.
        if (textOf(itemsOf(await node.order("ROLE"))![0]) !== "slave") throw error;
      }
    }
  }
}

/** Sends requests at once over all connections; none of them may fail. */
async function orderAll(
  clients: readonly WireClient[],
  requests: readonly string[][],
): Promise<Value[]> {
  const values: Value[] = [];
  await all(clients.map(async (client, first) => {
    const own = requests.keys().filter((index) => index % clients.length === first).toArray();
    const answers = await client.askAll(own.map((index) => requests[index]!));
    for (const [at, index] of own.entries()) values[index] = answers[at]!;
  }));
  for (const [index, value] of values.entries()) {
    if (value.type !== "-") continue;
    throw new Error(`A node answered '${value.text}' to ${requests[index]!.join(" ")}`);
  }
  return values;
}

/** Moves the keys of slots that are importing on one side and migrating on the other. */
async function moveKeys(
  source: WireClient,
  slots: readonly number[],
  { host, peerPort, directives }: ClusterNode,
): Promise<void> {
  const password = directives["requirepass"];
  const auth = password === undefined ? [] : ["AUTH", password];
  let left = [...slots];
  while (left.length > 0) {
    const asked = left.map((slot) => ["CLUSTER", "GETKEYSINSLOT", `${slot}`, `${KEYS_AT_ONCE}`]);
    const keys = (await orderAll([source], asked)).map((list) => itemsOf(list)!.map(textOf));
    left = left.filter((_, index) => keys[index]!.length > 0);
    for (const some of keys.filter(({ length }) => length > 0)) {
      const to = [host, `${peerPort}`, "", "0", `${MIGRATE_TIMEOUT_MS}`];
      await orderAll([source], [["MIGRATE", ...to, ...auth, "KEYS", ...some as string[]]]);
    }
  }
}

/** Like Promise.all, but settles only after all promises have. */
export async function all<T>(promises: Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return await Promise.all(promises);
}
