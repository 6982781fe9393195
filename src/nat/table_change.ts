import type { HostPort } from "../platform/address.ts";
import type { NatEntry } from "./table_rows.ts";

/**
 * One change of the NAT table. The proxy applies changes in order, as soon as they are returned.
 */
export type TableChange =
  | PortChange
  | NodeChange
  /** A view reports another address for a node; the next refresh verifies it. */
  | { readonly kind: "conflict"; readonly node: NatEntry; readonly reportedAddress: HostPort }
  /** A view lists a node without an address; the next refresh queries other nodes for it. */
  | { readonly kind: "unlocated"; readonly id: string }
  /**
   * Ids, announced addresses, roles or aliases may have changed; copies of the table compare them.
   */
  | { readonly kind: "updated" };

/**
 * The port of a row must be opened. Answer with `NatTable.portOpened` or `portRefused`; a
 * required port that cannot be opened ends the start instead.
 */
export interface PortChange {
  readonly kind: "open";
  readonly node: NatEntry;
  /** The port to listen on; 0 for any free port. */
  readonly port: number;
  readonly isRequired: boolean;
}

/** A change that workers apply, too. They see from the snapshot which ports to open. */
export type NodeChange =
  /** The node has another address now, or has failed; its sessions must end. */
  | { readonly kind: "moved"; readonly node: NatEntry }
  /** The row is gone; its port must be closed and its sessions must end. */
  | { readonly kind: "close"; readonly node: NatEntry };

/** Applies changes: opens and closes ports, ends sessions, informs copies of the table. */
export type ApplyChanges = (changes: readonly TableChange[]) => void;
