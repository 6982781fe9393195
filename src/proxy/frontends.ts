import type { NatEntry, NatTable } from "../nat/nat_table.ts";
import type { NodeResolver } from "../nat/node_resolver.ts";
import type { PublicViews } from "../nat/public_view.ts";
import type { SharedCounters } from "./counters.ts";
import type { EndReason } from "./end_reason.ts";
import type { Problem } from "../platform/log_throttle.ts";
import type { Copied, Statistics } from "./statistics.ts";

/** What the frontend of one thread reports; a copy, if it comes from another thread. */
export interface FrontendReport {
  readonly statistics: Copied<Statistics>;
  /** The problems that its log throttle knows. */
  readonly problems: readonly Problem[];
}

/** The report of one thread. */
export interface ThreadReport extends FrontendReport {
  /** 1 is the main thread. */
  readonly thread: number;
  /** How late its event loop is, in milliseconds. */
  readonly lagMs: number;
}

/**
 * Everything that serves clients: one `Frontend`, or a `WorkerPool` with a frontend in each thread.
 * Nodes are rows of the NAT table; a change takes effect in all threads with the next `update`.
 */
export interface Frontends {
  /** Counts the clients of all frontends. */
  readonly counters: SharedCounters;
  /** Rejected with an error for the operator when a frontend is lost; else never settled. */
  readonly failure: Promise<never>;
  /**
   * Listens for a node and returns the port, which differs from `port` only if that is 0.
   *
   * @throws {ListenError} when it cannot
   */
  open(node: NatEntry, port: number): number;
  /** Closes the port of a node; done when the kernel refuses connections to it. */
  closePort(node: NatEntry): Promise<void>;
  /** Closes the port of a node, and its sessions. */
  close(node: NatEntry): void;
  /** Ends the sessions with a node. */
  endSessions(node: NatEntry, reason: NodeEndReason): void;
  /** Sends the NAT table to all frontends; done when they listen for its nodes. */
  update(): Promise<void>;
  /**
   * Waits until all frontends listen for all nodes.
   *
   * @throws {ListenError} when one cannot
   */
  ready(): Promise<void>;
  /** The reports of all threads; of one that does not answer soon, its last one. */
  report(): Promise<readonly ThreadReport[]>;
  /** Accepts no more clients. */
  stopListening(): void;
  /** Lets sessions finish the replies in progress, for up to `graceMs`. */
  drain(graceMs: number): Promise<void>;
  /** Ends all sessions; done when they have ended. */
  end(): Promise<void>;
}

/** Why all sessions with a node end. */
export type NodeEndReason = Extract<EndReason, `node_${"failed" | "moved" | "removed"}`>;

/** What frontends need from the proxy that creates them. */
export interface FrontendsContext {
  readonly natTable: NatTable;
  readonly views: PublicViews;
  readonly nodeResolver: Pick<NodeResolver, "resolve">;
  /** Reads the file of public ports, in case it has one by now that a view lacks. */
  readPublicPorts(): Promise<void>;
  /** Whether a node accepts connections, so that its port is to be open. */
  isUp(node: NatEntry): boolean;
  /**
   * Reports that a node refused a connection, or closed one unexpectedly. Resolved when the node
   * was probed and, if it does not accept connections, its public port is closed.
   */
  suspect(node: NatEntry): Promise<void>;
}

/** Creates the frontends of a proxy. */
export type CreateFrontends = (context: FrontendsContext) => Frontends;
