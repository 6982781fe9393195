import type { HostPort } from "../platform/address.ts";
import type { NodeAddress } from "../cluster/node_address.ts";
import { aliasOf, isSameAddress } from "../cluster/node_ref.ts";

/** A row of the NAT table: a node and its port. The table updates the fields in place. */
export interface NatEntry {
  /** The node id; "" for a statically mapped address whose node has not sent its id yet. */
  readonly id: string;
  /** The private address to which the proxy connects. */
  readonly address: NodeAddress;
  /** Every address, by IP and by name, that the cluster announces to clients for this node. */
  readonly announced: readonly HostPort[];
  readonly role: "primary" | "replica";
  /** The cluster bus port, if the cluster reports one. */
  readonly busPort: number | undefined;
  /** The port that other nodes use, if it is another than that of `address`; see `peerPortOf`. */
  readonly peerPort: number | undefined;
  /** The port on which the proxy listens for the node, in the first view; see `PublicView`. */
  readonly listenPort: number;
}

/** Nodes in the order of their ports. */
export function byPort<Node extends Pick<NatEntry, "listenPort">>(nodes: readonly Node[]): Node[] {
  return nodes.toSorted((a, b) => a.listenPort - b.listenPort);
}

/** A row, writable by the table only. */
export type Row = { -readonly [Field in keyof NatEntry]: NatEntry[Field] } & {
  /** The address that a view reported last, if it differed from `address`. */
  reportedAddress: HostPort | undefined;
  /** Whether the last view reported `reportedAddress`. */
  isConflicting: boolean;
  /** The address of the static mapping that keeps this row open. */
  readonly mappedAddress: HostPort | undefined;
  /** The address of the node that the shared ports had last, when it was that of the row. */
  sharedAddress: HostPort | undefined;
  /** Whether the start fails if no port can be opened for the row. */
  readonly isRequired: boolean;
};

/** Creates a row without a port. */
export function newRow(
  id: string,
  address: HostPort,
  options: { readonly isMapped?: boolean; readonly isRequired: boolean },
): Row {
  return {
    id,
    address,
    announced: [],
    role: "primary",
    busPort: undefined,
    peerPort: undefined,
    listenPort: 0,
    reportedAddress: undefined,
    isConflicting: false,
    mappedAddress: options.isMapped ? address : undefined,
    sharedAddress: undefined,
    isRequired: options.isRequired,
  };
}

/** Marks an alias of several nodes, which identifies none of them. */
export const SHARED = Symbol("shared");

/** The rows of the NAT table, indexed by node id and by address. */
export class TableRows {
  readonly #rows: Row[] = [];
  readonly #byId = new Map<string, Row>();
  readonly #byAlias = new Map<string, Row | typeof SHARED>();

  /** Every row, in the order in which rows were added. */
  get all(): readonly Row[] {
    return this.#rows;
  }

  /** The node ids that have a row. */
  get ids(): ReadonlySet<string> {
    return new Set(this.#byId.keys());
  }

  /** Every alias with its row. */
  get aliases(): ReadonlyMap<string, Row | typeof SHARED> {
    return this.#byAlias;
  }

  /** The row of a node id. */
  withId(id: string): Row | undefined {
    return this.#byId.get(id);
  }

  /** The row with an alias. */
  withAlias(address: HostPort): Row | typeof SHARED | undefined {
    return this.#byAlias.get(aliasOf(address));
  }

  /** The row without an id at one of some addresses. */
  unidentifiedAt(addresses: readonly HostPort[]): Row | undefined {
    return this.#rows.find((row) =>
      row.id === "" && addresses.some((address) => isSameAddress(address, row.address))
    );
  }

  /** Adds a row. */
  add(row: Row): void {
    this.#rows.push(row);
    if (row.id !== "") this.#byId.set(row.id, row);
  }

  /** Removes a row and its aliases. */
  remove(row: Row): void {
    this.#rows.splice(this.#rows.indexOf(row), 1);
    this.#byId.delete(row.id);
    for (const [alias, holder] of this.#byAlias) if (holder === row) this.#byAlias.delete(alias);
  }

  /** Gives a row another id; "" for none. */
  setId(row: Row, id: string): void {
    this.#byId.delete(row.id);
    row.id = id;
    if (id !== "") this.#byId.set(id, row);
  }

  /** Sets the row, or `SHARED`, of an alias. */
  setAlias(alias: string, row: Row | typeof SHARED): void {
    this.#byAlias.set(alias, row);
  }
}
