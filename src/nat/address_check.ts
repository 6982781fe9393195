import { formatHostPort, type HostPort } from "../platform/address.ts";
import { LogThrottle } from "../platform/log_throttle.ts";
import { withTimeout } from "../platform/timeout.ts";
import { isSameAddress } from "../cluster/node_ref.ts";
import type { NatEntry } from "./nat_table.ts";
import type { SavedPort } from "./port_allocator.ts";
import type { NatContext } from "./queries.ts";

/** How long a seed that hangs may delay the check of the other nodes. */
const SEED_TIMEOUT_MS = 1000;

/** Why a node is not served at its announced address: the beginnings of log messages. */
const OWN = "Node {node_id} announces {node_addr}, which is a port of this proxy";
const ELSEWHERE = "Node {node_id} announces {node_addr}, where it does not answer";

/**
 * Verifies the addresses that nodes announce. A node that does not answer at its announced address,
 * but at a seed or at its address before a restart, is served there. A node that announces a port
 * of the proxy, and answers nowhere else, cannot be served, which is logged.
 */
export class AddressCheck {
  readonly #context: NatContext;
  readonly #saved: ReadonlyMap<string, HostPort>;
  readonly #throttle = new LogThrottle();
  /** The address of each node, once it needs no further check. */
  readonly #checked = new WeakMap<NatEntry, HostPort>();

  /** @param saved the addresses before a restart */
  constructor(context: NatContext, saved: readonly SavedPort[] = []) {
    this.#context = context;
    this.#saved = new Map(saved.map(({ id, address }) => [id, address]));
  }

  /** Verifies the addresses that are new, and those that were a port of the proxy. */
  async run(): Promise<void> {
    const { nodes } = this.#context.natTable;
    const unchecked = nodes.filter((node) => this.#checked.get(node) !== node.address);
    if (unchecked.length === 0) return;
    const answering = await this.#querySeeds();
    await Promise.all(
      unchecked.map((node) =>
        this.#check(node, answering.get(node.id) ?? this.#saved.get(node.id))
      ),
    );
  }

  /** Logs that a node announces a port of the proxy, and is served at its old address. */
  reportOwn(node: NatEntry, announced: HostPort): void {
    this.#report(node, OWN, announced, node.address);
  }

  /** @param alternative another address at which the node may answer */
  async #check(node: NatEntry, alternative: HostPort | undefined): Promise<void> {
    const { natTable, discovery, apply } = this.#context;
    const announced = node.address;
    const isOwn = await discovery.isOwn(announced);
    // The next run checks it again.
    if (isOwn === undefined) return;
    const other = alternative === undefined || isSameAddress(alternative, announced)
      ? undefined
      : alternative;
    if (!isOwn && (other === undefined || await this.#answersAt(announced, node))) {
      this.#checked.set(node, announced);
      return;
    }
    if (other !== undefined && await this.#answersAt(other, node)) {
      apply(natTable.serveAt(node, other));
      this.#checked.set(node, node.address);
      this.#report(node, isOwn ? OWN : ELSEWHERE, announced, other);
    } else if (isOwn) this.#reportUnserved(node);
    else this.#checked.set(node, node.address);
  }

  async #answersAt(address: HostPort, { id }: NatEntry): Promise<boolean> {
    return (await this.#context.discovery.queryNode(address))?.answeredBy.id === id;
  }

  /** The addresses at which nodes answer, by node id: the seeds, and that of the latest view. */
  async #querySeeds(): Promise<Map<string, HostPort>> {
    const { natTable: { view }, discovery } = this.#context;
    const answering = new Map<string, HostPort>();
    if (view !== undefined) answering.set(view.answeredBy.id, view.answeredAt);
    const seeds = await discovery.seedAddresses();
    await Promise.all(seeds.map(async (seed) => {
      if (view !== undefined && isSameAddress(seed, view.answeredAt)) return;
      const answer = await withTimeout(discovery.queryNode(seed), SEED_TIMEOUT_MS);
      if (answer !== undefined) answering.set(answer.answeredBy.id, seed);
    }));
    return answering;
  }

  #report({ id }: NatEntry, message: string, announced: HostPort, served: HostPort): void {
    const [announcedText, servedText] = [announced, served].map(formatHostPort);
    this.#throttle.log("warning", { topic: id, cause: `${message} ${announcedText}` }, [
      `${message}; serving it at {served_addr}, where it answers. Check its ` +
      "cluster-announce-ip and cluster-announce-port",
      { node_id: id, node_addr: announcedText, served_addr: servedText },
    ]);
  }

  #reportUnserved({ id, address, listenPort }: NatEntry): void {
    const node_addr = formatHostPort(address);
    const key = { topic: id, cause: `unserved ${node_addr}` };
    this.#throttle.log(
      "warning",
      key,
      id === ""
        ? [
          "Port {port} is mapped to {node_addr}, which is a port of this proxy, so it serves no " +
          "client; change --port-map",
          { port: listenPort, node_addr },
        ]
        : [
          "Node {node_id} announces {node_addr}, which is a port of this proxy, so no client can " +
          "reach it; set its cluster-announce-ip and cluster-announce-port to its own address",
          { node_id: id, node_addr },
        ],
    );
  }
}
