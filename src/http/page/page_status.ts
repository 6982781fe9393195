import type { SlotRange } from "../../cluster/node.ts";
import type { UsedCertificate } from "../../tls/files_watcher.ts";

/** Everything that the status page shows. Times are in milliseconds since 1970. */
export interface PageStatus {
  readonly version: string;
  readonly phase: "starting" | "serving" | "draining";
  /** Why the start is not done; undefined if it is, or if nothing is known yet. */
  readonly obstacle: string | undefined;
  readonly nowMs: number;
  readonly startedAtMs: number;
  /** What the page is about: the public host, if there is one. */
  readonly name: string;
  /** In the order of listen ports. */
  readonly nodes: readonly PageNode[];
  /** Slots without an owner; undefined before the first answer of the cluster. */
  readonly uncovered: readonly SlotRange[] | undefined;
  readonly discovery: PageDiscovery;
  readonly clients: Usage;
  /** The memory for captured replies, in bytes. */
  readonly captured: Usage;
  /** Whether new clients cannot be accepted, as without file descriptors. */
  readonly acceptFails: boolean;
  /** Why a node of the cluster has no public port. */
  readonly withoutPort: string | undefined;
  /** The listeners that clients reach at a port which is not known yet. */
  readonly unknownPorts: readonly number[];
  /** Why the ports cannot be shared with other proxies; undefined if they can, or are not shared. */
  readonly sharingFailure: string | undefined;
  /** What went wrong with clients and nodes lately, the newest first. */
  readonly warnings: readonly PageWarning[];
  readonly certificates: readonly UsedCertificate[];
  readonly settings: readonly PageSetting[];
}

/** A node and its public port. */
export interface PageNode {
  /** "" for a node whose id is not known yet. */
  readonly id: string;
  /** The port of its listener in the first view, which no other node has. */
  readonly port: number;
  /** What people call it: its public port in the first view. */
  readonly name: string;
  /** The public addresses: one of each view, with the names of those besides the first. */
  readonly addresses: readonly { readonly view: string | undefined; readonly address: string }[];
  /** The private address to which the proxy connects. */
  readonly privateAddress: string;
  /** The announced host name, if it has one. */
  readonly hostname: string | undefined;
  readonly role: "primary" | "replica";
  /** The primary of a replica, if that has a port. */
  readonly primary: { readonly port: number; readonly name: string } | undefined;
  readonly slots: readonly SlotRange[];
  readonly state: PageNodeState;
  readonly clients: number;
  /** Undefined until traffic was sampled twice. */
  readonly traffic: PageTraffic | undefined;
  /** How long the last connection to the node took, in milliseconds. */
  readonly connectMs: number | undefined;
}

/** Whether a node can be used, and since when. */
export interface PageNodeState {
  readonly status: "up" | "refusing" | "failed";
  readonly sinceMs: number;
}

/** The traffic of a node with its clients, in bytes per second. */
export interface PageTraffic {
  readonly fromClients: number;
  readonly toClients: number;
  /** Both together, oldest first, in steps of the same length. */
  readonly history: readonly number[];
}

/** How the regular queries of the cluster are going. */
export interface PageDiscovery {
  /** When a node answered last; undefined if none has. */
  readonly answeredAtMs: number | undefined;
  /** The interval of regular queries; Infinity without. */
  readonly intervalMs: number;
  /** Why the last query failed. */
  readonly failure: string | undefined;
}

/** How much of a limit is in use. */
export interface Usage {
  readonly used: number;
  /** Infinity without. */
  readonly limit: number;
}

/** A message of the log that was repeated lately. */
export interface PageWarning {
  readonly message: string;
  readonly count: number;
  readonly lastAtMs: number;
}

/** An option and its value, which may be shown to anybody. */
export interface PageSetting {
  /** The flag with its dashes, or the environment variable of an option without a flag. */
  readonly flag: string;
  /** The value, without the secrets in it. */
  readonly value: string;
  readonly isDefault: boolean;
}
