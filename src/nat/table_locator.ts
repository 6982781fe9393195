import type { NodeAddress } from "../cluster/node_address.ts";
import type { ClusterNode } from "../cluster/node.ts";
import { isSameAddress } from "../cluster/node_ref.ts";
import type { NodeLocator } from "../cluster/shared_hash.ts";
import {
  announcedAddresses,
  type ClusterView,
  dialAddress,
  isHealthy,
  ownerOf,
} from "../cluster/view.ts";
import type { HostPort } from "../platform/address.ts";
import type { NatTable } from "./nat_table.ts";

/** Locates the nodes of a slot: at the address where the NAT table serves them, if it does. */
export class TableLocator implements NodeLocator {
  /** The view to use before the table has one. */
  startView: ClusterView | undefined;
  readonly #natTable: Pick<NatTable, "view" | "withId">;

  constructor(natTable: Pick<NatTable, "view" | "withId">) {
    this.#natTable = natTable;
  }

  /** The owner of a slot, then the other healthy nodes, which redirect to it. */
  addressesFor(slot: number): NodeAddress[] {
    const view = this.#view;
    if (view === undefined) return [];
    const owner = ownerOf(view, slot);
    const others = view.nodes.filter((node) => node !== owner && isHealthy(node));
    return [...owner === undefined ? [] : [owner], ...others]
      .flatMap((node) => this.#addressOf(node, view) ?? []);
  }

  /** The address at which to dial the node that announces an address. */
  dialAddress(announced: HostPort): NodeAddress {
    const view = this.#view;
    const node = view?.nodes.find((node) =>
      announcedAddresses(node, view).some((address) => isSameAddress(address, announced))
    );
    return (node && this.#addressOf(node, view!)) ?? announced;
  }

  /** The number of healthy replicas of the owner of a slot. */
  replicasOf(slot: number): number {
    const view = this.#view;
    const owner = view && ownerOf(view, slot);
    if (owner === undefined) return 0;
    return view!.nodes.filter((node) => node.primaryId === owner.id && isHealthy(node)).length;
  }

  get #view(): ClusterView | undefined {
    return this.#natTable.view ?? this.startView;
  }

  #addressOf(node: ClusterNode, view: ClusterView): NodeAddress | undefined {
    return this.#natTable.withId(node.id)?.address ?? dialAddress(node, view) ?? undefined;
  }
}
