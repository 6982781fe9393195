import type { Credentials } from "../cluster/credentials.ts";
import type { NodeDialerOptions } from "../cluster/node_dialer.ts";
import type { PublicViewsOptions } from "../nat/public_view.ts";
import type { TlsAcceptor, TlsConnector } from "../platform/net.ts";
import type { AddressSources } from "./address_sources.ts";
import type { BalancerOptions } from "./balancers.ts";
import type { ClientRegistry } from "./client_registry.ts";
import type { SharedCounters } from "./counters.ts";
import type { FrontendsContext } from "./frontends.ts";
import type { BindMode } from "./listener.ts";

/** The options of a frontend; workers get a copy, so it holds no functions and no file paths. */
export interface FrontendOptions
  extends Omit<NodeDialerOptions, "tlsConnector" | "views">, PublicViewsOptions {
  /** With which clients are logged in at their nodes; undefined if they log in themselves. */
  readonly login: Credentials | undefined;
  /** How load balancers say who their clients are; undefined if clients connect without. */
  readonly balancers: BalancerOptions | undefined;
  /** The maximum number of clients in all threads; Infinity is no limit. */
  readonly maxConnections: number;
  /** How long a connection may be idle; Infinity is no limit. */
  readonly idleTimeoutMs: number;
  /** The memory for captured replies, of all threads together. */
  readonly captureLimitBytes: number;
  /** How long a captured reply may take to arrive, or to be read; Infinity is no limit. */
  readonly captureTimeoutMs: number;
  /** The size of the buffers for large values. */
  readonly readBufferBytes: number;
  /** Whether all traffic is logged. */
  readonly echo: boolean;
  /** Whether each connection of a client is logged when it ends. */
  readonly accessLog: boolean;
}

/** The NAT table, the resolver and the monitor that a frontend uses while it serves clients. */
export interface FrontendContext
  extends
    Pick<AddressSources, "natTable" | "nodeResolver" | "readPublicPorts">,
    Pick<FrontendsContext, "suspect" | "views"> {
  /** TLS to clients and to nodes; undefined where plain text is spoken. */
  readonly tls?: TlsSides | undefined;
}

/** TLS to clients and to nodes, as one thread speaks it. */
export interface TlsSides {
  /** By the name of the view; a view without one serves its clients in plain text. */
  readonly acceptors: ReadonlyMap<string, TlsAcceptor>;
  readonly connector: TlsConnector | undefined;
}

/** What a frontend shares with the frontends of other threads. */
export interface FrontendSharing extends Pick<AddressSources, "clients"> {
  readonly counters: SharedCounters;
  /** The clients of this frontend; `clients` knows those of all threads. */
  readonly registry: ClientRegistry;
  readonly bindMode: BindMode;
}
