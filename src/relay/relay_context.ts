/** Lets a relay read when it is its turn, so that busy connections do not starve the others. */
export interface ReadScheduler {
  /** Whether a relay has to wait for its turn before it reads. */
  readonly isSaturated: boolean;
  /** Waits for the turn; to be called as soon as `isSaturated` is seen. */
  waitTurn(): Promise<void>;
  /** Records a read, right after it. */
  recordRead(): void;
}

/** Shows the traffic of one session. The bytes are borrowed for the duration of the call. */
export interface TrafficLog {
  /** Shows what a client sent, without the ranges [from, to) that `hidden` lists in pairs. */
  request(bytes: Uint8Array, hidden: readonly number[]): void;
  /** Shows what the node sent and the client gets unchanged. */
  reply(bytes: Uint8Array): void;
  /** Shows that the client gets a reply of `length` bytes which holds a secret. */
  secretReply(length: number): void;
  /** Shows what the node sent and what the client gets instead. */
  rewritten(original: Uint8Array, translated: Uint8Array): void;
}
