import { formatHostPort, type HostPort } from "../address.ts";
import { fieldOf, itemsOf, textOf, type Value } from "../resp/frame.ts";
import { type Credentials, Link, LinkError } from "./link.ts";
import { type ClusterNode, parseNodes, SLOT_COUNT } from "./node.ts";

/** The cluster as one of its nodes sees it. */
export interface View {
  /** Every node that the answering one knows, those without an address included. */
  readonly nodes: readonly ClusterNode[];
  /** The node that answered. */
  readonly answeredBy: ClusterNode;
  /** Where it answered. */
  readonly answeredAt: HostPort;
  /** TLS ports by node id, of the nodes that have one. */
  readonly tlsPorts: ReadonlyMap<string, number>;
  /** `cluster_state`: ok or fail. */
  readonly state: string;
  /** When it was asked, in milliseconds of the machine's monotonic clock. */
  readonly takenAtMs: number;
}

/** What a topology starts from. */
export interface TopologyOptions {
  /** Addresses of nodes, or names that resolve to some. */
  readonly seeds: readonly HostPort[];
  readonly credentials: Credentials | undefined;
}

/** Asks the cluster who is there, over connections of its own. */
export class Topology {
  readonly #options: TopologyOptions;
  /** Where nodes were when last heard of; the seeds may be gone by now. */
  #known: readonly HostPort[] = [];

  constructor(options: TopologyOptions) {
    this.#options = options;
  }

  /**
   * Asks one node after the other, `first` before all others and the seeds last, until one
   * answers.
   *
   * @throws {AggregateError} of one LinkError for each node, when none does
   */
  async look(first?: HostPort): Promise<View> {
    const errors: unknown[] = [];
    const asked = new Set<string>();
    for (const address of [...(first ? [first] : []), ...this.#known, ...this.#options.seeds]) {
      const text = formatHostPort(address);
      if (asked.has(text)) continue;
      asked.add(text);
      try {
        const view = await this.#ask(address);
        this.#known = view.nodes.map((node) => dialAddress(node, view)).filter((at) => at !== null);
        return view;
      } catch (error) {
        errors.push(error);
      }
    }
    throw new AggregateError(errors, "No node answers");
  }

  /** The id of the node at an address, or undefined if none answers there. */
  async identify(address: HostPort): Promise<string | undefined> {
    try {
      using link = await this.#open(address);
      return textOf(await link.ask("CLUSTER", "MYID"));
    } catch (error) {
      if (error instanceof LinkError) return undefined;
      throw error;
    }
  }

  async #ask(address: HostPort): Promise<View> {
    const takenAtMs = performance.now();
    using link = await this.#open(address);
    const nodes = parseNodes(textOf(await link.ask("CLUSTER", "NODES")) ?? "");
    const info = textOf(await link.ask("CLUSTER", "INFO")) ?? "";
    const answeredBy = nodes.find((node) => node.flags.has("myself"));
    if (answeredBy === undefined) {
      throw new LinkError(`Node ${formatHostPort(address)} does not list itself in CLUSTER NODES`);
    }
    return {
      nodes,
      answeredBy,
      answeredAt: address,
      tlsPorts: await askTlsPorts(link),
      state: /^cluster_state:(\w+)/m.exec(info)?.[1] ?? "unknown",
      takenAtMs,
    };
  }

  #open(address: HostPort): Promise<Link> {
    return Link.open(address, this.#options.credentials);
  }
}

/** Where to reach a node, or null while it has no address. */
export function dialAddress(node: ClusterNode, view: View): HostPort | null {
  if (node.id === view.answeredBy.id) {
    // A node that has met no other does not know its own address, but here it answered.
    if (node.host === "" || node.port === 0) return view.answeredAt;
  }
  const host = node.host || node.hostname;
  return host === "" || node.port === 0 ? null : { host, port: node.port };
}

/** How many of the slots have an owner in a view. */
export function coveredSlots(view: View): number {
  let covered = 0;
  for (const { slots } of view.nodes) {
    for (const { first, last } of slots) covered += last - first + 1;
  }
  return Math.min(covered, SLOT_COUNT);
}

/** The owner of a slot in a view. */
export function ownerOf(view: View, slot: number): ClusterNode | undefined {
  return view.nodes.find(({ slots }) =>
    slots.some(({ first, last }) => first <= slot && slot <= last)
  );
}

/** CLUSTER NODES shows one port of each node, CLUSTER SHARDS both, but only since 7.0. */
async function askTlsPorts(link: Link): Promise<Map<string, number>> {
  const ports = new Map<string, number>();
  let shards: Value;
  try {
    shards = await link.ask("CLUSTER", "SHARDS");
  } catch (error) {
    if (error instanceof LinkError) return ports;
    throw error;
  }
  for (const shard of itemsOf(shards) ?? []) {
    for (const node of itemsOf(fieldOf(shard, "nodes")) ?? []) {
      const id = textOf(fieldOf(node, "id"));
      const port = Number(textOf(fieldOf(node, "tls-port")));
      if (id !== undefined && port > 0) ports.set(id, port);
    }
  }
  return ports;
}
