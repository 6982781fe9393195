import type { NodeDialer } from "../cluster/node_dialer.ts";
import type { NatEntry } from "../nat/nat_table.ts";
import type { LogThrottle } from "../platform/log_throttle.ts";
import type { TlsAcceptor } from "../platform/net.ts";
import type { CaptureBudget } from "../relay/capture.ts";
import type { BufferPool } from "../relay/read_buffer.ts";
import type { ReadScheduler } from "../relay/relay_context.ts";
import type { AddressSources } from "./address_sources.ts";
import type { Balancers } from "./balancers.ts";
import type { ClientLogin } from "./client_login.ts";
import type { ClientRegistry } from "./client_registry.ts";
import type { EndReason } from "./end_reason.ts";
import type { TimeoutOptions } from "./session_timeouts.ts";
import type { PortStatistics, Statistics } from "./statistics.ts";

/** What all sessions of a frontend share, or those of one view if it has several. */
export interface SessionContext extends TimeoutOptions {
  readonly addressSources: AddressSources;
  /** The clients of this frontend. */
  readonly registry: ClientRegistry;
  /** Buffers for large reads. */
  readonly buffers: BufferPool;
  readonly scheduler: ReadScheduler;
  readonly dialer: NodeDialer;
  /** Logs clients in at their nodes; undefined if they log in themselves. */
  readonly login: ClientLogin | undefined;
  /** Reads the headers of load balancers; undefined if clients connect without. */
  readonly balancers: Balancers | undefined;
  /** Speaks TLS to clients; undefined if they speak plain text. */
  readonly tlsAcceptor: TlsAcceptor | undefined;
  /** The view that the log names; undefined if there is only one. */
  readonly viewName: string | undefined;
  /** Whether the kernel probes idle connections. */
  readonly keepAlive: boolean;
  /** Limits the memory for captured replies of all sessions together. */
  readonly budget: CaptureBudget;
  /** Whether all traffic is logged. */
  readonly echo: boolean;
  readonly throttle: LogThrottle;
  /** Counts what all sessions do. */
  readonly statistics: Statistics;
  /** Called when the node of a session has accepted its connection. */
  readonly onConnected: () => void;
  /**
   * Called when a node refused a connection, or closed one unexpectedly. When this is resolved, a
   * client that reconnects gets the same result as at the node itself.
   */
  readonly onConnectFailed: (node: NatEntry, reason: unknown) => Promise<void>;
  /** Called when a session has ended and closed its connections. */
  readonly onClosed: (session: ServedSession) => void;
}

/** How a session was accepted. */
export interface SessionOrigin {
  /** The id of the client. */
  readonly clientId: number;
  readonly node: NatEntry;
  /** The statistics of the port at which the client was accepted. */
  readonly port: PortStatistics;
}

/** What a session has relayed so far. */
export interface SessionTraffic {
  readonly requests: number;
  readonly receivedFromClient: number;
  readonly receivedFromNode: number;
}

/** A session, as its frontend knows it. */
export interface ServedSession {
  readonly client: { readonly id: number; readonly address: string };
  readonly node: NatEntry;
  readonly port: PortStatistics;
  readonly traffic: SessionTraffic;
  /** Why the session has ended; valid once it has. */
  readonly endReason: EndReason;
  end(reason: EndReason): void;
  drain(): Promise<void>;
  checkTimeouts(nowMs: number): void;
}
