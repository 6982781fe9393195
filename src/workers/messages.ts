import type { NodeRef } from "../cluster/node_ref.ts";
import type { NatEntry } from "../nat/nat_table.ts";
import type { PublicPort } from "../nat/public_view.ts";
import type { LogOptions } from "../platform/log.ts";
import type { LogRecord } from "../platform/log_record.ts";
import type { FrontendOptions } from "../proxy/frontend_options.ts";
import type { FrontendReport } from "../proxy/frontends.ts";
import type { TlsMaterial } from "../tls/thread_tls.ts";

/** Identifies a row of the NAT table: a node may change its id and its port, but not its key. */
export type NodeKey = number;

/** A row of the NAT table as the main thread sends it. */
export interface SnapshotEntry {
  readonly key: NodeKey;
  readonly node: NatEntry;
  /** Whether the id identifies this row: a node with two ports has two rows with one id. */
  readonly identified: boolean;
  /** Whether the node accepts connections, so that its public port is to be open. */
  readonly isUp: boolean;
  /** How often all sessions of the node were ended, as when it has moved. */
  readonly moves: number;
}

/** The NAT table as the main thread sends it. */
export interface TableSnapshot {
  readonly nodes: readonly SnapshotEntry[];
  /** The node that an address stands for; null if several nodes report the address. */
  readonly aliases: readonly (readonly [alias: string, key: NodeKey | null])[];
  /** See `NatTable.hasHostnames`. */
  readonly hasHostnames: boolean;
  /** See `PublicView.listedPorts`, of the first view. */
  readonly publicPorts: readonly PublicPort[] | undefined;
}

/** The first message to a worker. */
export interface WorkerInit {
  readonly thread: number;
  readonly options: FrontendOptions;
  /** Undefined if neither clients nor nodes speak TLS. */
  readonly tls: TlsMaterial | undefined;
  /** How to log to stderr; undefined if the log goes to the main thread. */
  readonly log: LogOptions | undefined;
  /** The memory of `SharedCounters`. */
  readonly shared: SharedArrayBuffer;
}

/** Queries for clients: a worker answers for its own, the main thread for all others. */
export type ClientMessages = {
  fetchClients: {
    payload: { readonly key: NodeKey; readonly upstreams: readonly string[] };
    reply: ReadonlyMap<string, string>;
  };
  upstreamOf: {
    payload: { readonly key: NodeKey; readonly client: string };
    reply: string | undefined;
  };
};

/** Messages of the main thread to a worker. */
export type MainMessages = ClientMessages & {
  /**
   * Listen for these nodes. The reply, when that is done, lists why some ports cannot be opened.
   */
  update: { payload: TableSnapshot; reply: readonly string[] };
  /** All threads listen for the nodes of the last snapshot, so replies may name them. */
  publish: { payload: undefined; reply: void };
  /** Any reply proves that the worker is alive. */
  ping: { payload: undefined; reply: void };
  /** What the frontend has counted. */
  report: { payload: undefined; reply: FrontendReport };
  /** Use other certificates for new connections. */
  updateTls: { payload: TlsMaterial; reply: void };
  stopListening: { payload: undefined; reply: void };
  drain: { payload: { readonly graceMs: number }; reply: void };
  end: { payload: undefined; reply: void };
};

/** Messages of a worker to the main thread. */
export type WorkerMessages = ClientMessages & {
  resolve: {
    payload: {
      readonly ref: NodeRef;
      readonly from: NodeKey;
      /** How long ago the reference arrived: threads do not share a clock. */
      readonly agoMs: number;
    };
    reply: number | undefined;
  };
  /** The reply, when the threads have the public ports in the file. */
  readPublicPorts: { payload: undefined; reply: void };
  suspect: { payload: { readonly key: NodeKey }; reply: void };
  log: { payload: LogRecord; reply: void };
};
