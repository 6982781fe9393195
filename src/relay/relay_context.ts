/** Schedules the reads of relays, so that busy connections do not starve others. */
export interface ReadScheduler {
  /** Whether a relay has to wait for its turn before it reads. */
  readonly isSaturated: boolean;
  /** Waits for the turn of this relay; call it right after `isSaturated` was true. */
  waitTurn(): Promise<void>;
  /** Records a read; call it right after the read. */
  recordRead(): void;
}

/** Logs the traffic of one session. The bytes are borrowed for the duration of the call. */
export interface TrafficLog {
  /** Logs bytes of the client, without the ranges [from, to) that `hidden` lists in pairs. */
  request(bytes: Uint8Array, hidden: readonly number[]): void;
  /** Logs bytes of the node that the client gets unchanged. */
  reply(bytes: Uint8Array): void;
  /** Logs the length in bytes of a reply that contains a secret. */
  secretReply(length: number): void;
  /** Logs a frame of the node and the bytes that the client gets instead. */
  rewritten(original: Uint8Array, rewritten: Uint8Array): void;
}
