import type { NatEntry } from "../nat/nat_table.ts";
import type { NodeRef } from "../cluster/node_ref.ts";
import type { LogRecord } from "@logtape/logtape";
import type { Config } from "../cli/config.ts";
import type { LogOptions } from "../platform/log.ts";

/** A node by the number that the owner gave it: neither its id nor its port is its own for ever. */
export type NodeKey = number;

/** A node as the owner tells others of it. */
export interface SnapshotEntry {
  readonly key: NodeKey;
  readonly node: NatEntry;
  /** Whether it is the one that its id stands for. */
  readonly identified: boolean;
  /** Whether it takes connections, so that its public port is open. */
  readonly isUp: boolean;
  /** How often what went on with it was over, as when it moves. */
  readonly moves: number;
}

/** All that threads know of the nodes. */
export interface TableSnapshot {
  readonly nodes: readonly SnapshotEntry[];
  /** Which node is meant by an address; null for one that several nodes announce. */
  readonly aliases: readonly (readonly [alias: string, key: NodeKey | null])[];
}

/** What a thread starts from, and hears before anything else. */
export interface WorkerInit {
  readonly thread: number;
  readonly config: Config;
  /** How to log to stderr; undefined if the owner is to have the log. */
  readonly log: LogOptions | undefined;
  /** The memory of the tally. */
  readonly shared: SharedArrayBuffer;
}

/** What a thread may be asked about the clients that it serves, and the owner about all others. */
export type ClientMessages = {
  clientsAt: {
    said: { readonly key: NodeKey; readonly upstreams: readonly string[] };
    answer: ReadonlyMap<string, string>;
  };
  upstreamOf: {
    said: { readonly key: NodeKey; readonly client: string };
    answer: string | undefined;
  };
};

/** What the owner says to the other threads. */
export type MainMessages = ClientMessages & {
  /** The nodes are these now: listen for them. The answer, when that is done, is what cannot be. */
  picture: { said: TableSnapshot; answer: readonly string[] };
  /** All threads listen for the nodes of the last picture, so that replies may name them. */
  publish: { said: undefined; answer: void };
  /** Whether the thread is still there, which any answer tells. */
  alive: { said: undefined; answer: void };
  stopListening: { said: undefined; answer: void };
  drain: { said: { readonly graceMs: number }; answer: void };
  end: { said: undefined; answer: void };
};

/** What the other threads say to the owner. */
export type WorkerMessages = ClientMessages & {
  locate: {
    said: {
      readonly ref: NodeRef;
      readonly from: NodeKey;
      /** How long ago the ref came: each thread has a clock of its own. */
      readonly agoMs: number;
    };
    answer: number | undefined;
  };
  suspect: { said: { readonly key: NodeKey }; answer: void };
  log: { said: LogRecord; answer: void };
};
