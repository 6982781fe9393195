import { formatHostPort, type HostPort } from "../platform/address.ts";
import { LogThrottle } from "../platform/log_throttle.ts";
import { withTimeout } from "../platform/timeout.ts";
import { aliasOf } from "../cluster/node_ref.ts";
import type { NatEntry, NatTable } from "./nat_table.ts";
import type { SavedPort } from "./port_allocator.ts";
import type { ClusterDiscovery } from "../cluster/discovery.ts";

/** A seed that hangs is not waited for: what it would tell matters for its own node only. */
const SEED_TIMEOUT_MS = 1000;

/** What may be wrong with the address of a node that answers at another. */
const OWN = "Node {id} announces {address}, which is a port of this proxy";
const ELSEWHERE = "Node {id} announces {address}, where it does not answer";

/**
 * Verifies the address that a node announces before it is believed for good. A node that answers at
 * a seed, or where it was before a restart, and not where it announces to be, is served there. One
 * that announces the proxy itself and is nowhere else cannot be served; the log says so.
 */
export class AddressCheck {
  readonly #natTable: NatTable;
  readonly #discovery: ClusterDiscovery;
  readonly #saved: ReadonlyMap<string, HostPort>;
  readonly #throttle = new LogThrottle();
  /** Addresses of nodes that need not be checked again. */
  readonly #checked = new WeakMap<NatEntry, HostPort>();

  /** @param saved where nodes were before a restart */
  constructor(natTable: NatTable, discovery: ClusterDiscovery, saved: readonly SavedPort[] = []) {
    this.#natTable = natTable;
    this.#discovery = discovery;
    this.#saved = new Map(saved.map(({ id, address }) => [id, address]));
  }

  /** Verifies the addresses of nodes that are new, or announced the proxy itself so far. */
  async run(): Promise<void> {
    const nodes = this.#natTable.nodes.filter((node) => this.#checked.get(node) !== node.address);
    if (nodes.length === 0) return;
    const places = await this.#seedPlaces();
    await Promise.all(
      nodes.map((node) => this.#check(node, places.get(node.id) ?? this.#saved.get(node.id))),
    );
  }

  /** Says that a node that is served where it was announces the proxy itself. */
  reportOwn(node: NatEntry, announced: HostPort): void {
    this.#report(node, OWN, announced, node.address);
  }

  /** @param place where the node answers perhaps, besides where it announces to be */
  async #check(node: NatEntry, place: HostPort | undefined): Promise<void> {
    const announced = node.address;
    const isOwn = await this.#discovery.isOwn(announced);
    // The next run finds out.
    if (isOwn === undefined) return;
    const isElsewhere = place !== undefined && aliasOf(place) !== aliasOf(announced);
    if (!isOwn && (!isElsewhere || await this.#answersAt(announced, node))) {
      this.#checked.set(node, announced);
      return;
    }
    const isFound = isElsewhere && await this.#answersAt(place, node);
    if (isFound) this.#natTable.serveAt(node, place);
    if (isFound || !isOwn) this.#checked.set(node, node.address);
    if (isFound) this.#report(node, isOwn ? OWN : ELSEWHERE, announced, place);
    else if (isOwn) this.#reportUnserved(node);
  }

  async #answersAt(address: HostPort, { id }: NatEntry): Promise<boolean> {
    return (await this.#discovery.queryNode(address))?.answeredBy.id === id;
  }

  /** Where nodes answer among the seeds, by id. */
  async #seedPlaces(): Promise<Map<string, HostPort>> {
    const places = new Map<string, HostPort>();
    const { view } = this.#natTable;
    if (view !== undefined) places.set(view.answeredBy.id, view.answeredAt);
    const seeds = await this.#discovery.seedAddresses();
    await Promise.all(seeds.map(async (seed) => {
      if (view !== undefined && aliasOf(seed) === aliasOf(view.answeredAt)) return;
      const seen = await withTimeout(this.#discovery.queryNode(seed), SEED_TIMEOUT_MS);
      if (seen !== undefined) places.set(seen.answeredBy.id, seed);
    }));
    return places;
  }

  #report({ id }: NatEntry, message: string, announced: HostPort, place: HostPort): void {
    const [address, at] = [announced, place].map(formatHostPort);
    this.#throttle.log("warning", { topic: id, cause: `${message} ${address}` }, [
      `${message}; serving it at {place}, where it answers. Check its cluster-announce-ip and ` +
      "cluster-announce-port",
      { id, address, place: at },
    ]);
  }

  #reportUnserved({ id, address, publicPort }: NatEntry): void {
    const at = formatHostPort(address);
    const subject = { topic: id, cause: `unserved ${at}` };
    this.#throttle.log(
      "warning",
      subject,
      id === ""
        ? [
          "Port {port} is pinned to {address}, which is a port of this proxy, so it serves no " +
          "client; change --port-map",
          { port: publicPort, address: at },
        ]
        : [
          "Node {id} announces {address}, which is a port of this proxy, so no client can reach " +
          "it; set its cluster-announce-ip and cluster-announce-port to its own address",
          { id, address: at },
        ],
    );
  }
}
