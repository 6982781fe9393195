import type { Buffer } from "node:buffer";
import type { HostPort } from "../../../src/platform/address.ts";

/** A word of a command. */
export type Word = string | Buffer;

/** A real client, in words that all clients have in common. Closed when its block ends. */
export interface ClusterClient extends AsyncDisposable {
  /** All nodes that the client knows, as `host:port`. */
  readonly addresses: readonly string[];
  /** Sends a command to the node that has `key`. */
  command(key: Word, ...words: Word[]): Promise<unknown>;
  /** The value of `key` as it is. */
  getBytes(key: Word): Promise<Buffer | null>;
  /** Sends a command to every primary. */
  onPrimaries(...words: string[]): Promise<unknown[]>;
  /** Sends commands to the node that has `key`, all before the first answer. */
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
  /** Closes all connections at once, whatever is under way. */
  leave(): void;
}

/** How a client is to connect, and the one address that it is told. */
export interface ConnectOptions extends HostPort {
  protocol: 2 | 3;
  /** Reads go to replicas too. */
  readReplicas?: boolean;
  /** Nodes come and go, so connections may fail, and the client is to make do. */
  throughOutages?: boolean;
  /** The IP address of a node by a name that is in no DNS, or undefined for other names. */
  resolve?: (name: string) => string | undefined;
}

/** Connects a client, and waits until it knows the cluster. */
export type Connect = (options: ConnectOptions) => Promise<ClusterClient>;
