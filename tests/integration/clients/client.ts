import type { Buffer } from "node:buffer";
import type { HostPort } from "../../../src/platform/address.ts";
import type { CLIENT_TLS } from "../../support/tls.ts";

export type Word = string | Buffer;

/** The common interface of real clients. Closed when its block ends. */
export interface ClusterClient extends AsyncDisposable {
  /** All nodes known to the client, as `host:port`. */
  readonly addresses: readonly string[];
  /** Sends a command to the node that has `key`. */
  command(key: Word, ...words: Word[]): Promise<unknown>;
  /** The bytes of the value of `key`. */
  getBytes(key: Word): Promise<Buffer | null>;
  /** Sends a command to every primary. */
  onPrimaries(...words: string[]): Promise<unknown[]>;
  /** Sends commands to the node that has `key` in one pipeline. */
  pipeline(key: string, commands: string[][]): Promise<unknown[]>;
  /**
   * Sends a transaction to the node that has `key`; null if it was aborted.
   *
   * @param watched is called after `key` is watched and before the transaction begins
   */
  transaction(
    key: string,
    commands: string[][],
    watched?: () => Promise<unknown>,
  ): Promise<unknown[] | null>;
  /** Subscribes with SUBSCRIBE, PSUBSCRIBE or SSUBSCRIBE. */
  subscribe(
    kind: "" | "p" | "s",
    channel: string,
    listener: (message: string) => void,
  ): Promise<void>;
  /** Closes all connections at once, without waiting for replies. */
  leave(): void;
}

/** How a client connects, and the address that it gets. */
export interface ConnectOptions extends HostPort {
  /** Further addresses; none by default. */
  otherSeeds?: readonly HostPort[];
  protocol: 2 | 3;
  /** Reads go to replicas too. */
  readReplicas?: boolean;
  /** Whether connections may fail, because nodes fail. */
  throughOutages?: boolean;
  /** Whether it connects to the nodes themselves, instead of a proxy. */
  isInside?: boolean;
  /** What it needs for TLS; by default what the run says. */
  tls?: typeof CLIENT_TLS | undefined;
  /** Resolves names that are not in DNS; undefined for other names. */
  resolve?: (name: string) => string | undefined;
}

/** Connects a client and waits until it knows the cluster. */
export type Connect = (options: ConnectOptions) => Promise<ClusterClient>;
