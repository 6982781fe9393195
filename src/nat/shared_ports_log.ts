import { log } from "../platform/log.ts";
import { LogThrottle } from "../platform/log_throttle.ts";
import type { LogFields } from "../platform/log_record.ts";
import {
  claimsById,
  claimsToWrite,
  type Contradiction,
  type SharedPorts,
  type Wishes,
} from "./shared_ports.ts";

/** Logs what goes wrong with the shared ports at a key; what continues is logged once a minute. */
export class SharedPortsLog {
  readonly #key: string;
  readonly #throttle = new LogThrottle();

  constructor(key: string) {
    this.#key = key;
  }

  /** The start waits for the store. */
  waiting(reason: string): void {
    // One node after the other is asked, each of which has its reason.
    this.#log("info", "start", reason, [
      "Waiting for the shared ports at '{key}': {reason}",
      { reason },
    ]);
  }

  /** The shared ports cannot be read, or not be written. */
  failed(reason: string): void {
    // While a shard fails over, one reason follows the other.
    this.#log("warning", "store", "failed", [
      "Cannot use the shared ports at '{key}': {reason}; nodes keep their ports, and new ones get " +
      "none until it works",
      { reason },
    ]);
  }

  /** The shared ports can be read and written again. */
  recovered(): void {
    this.#throttle.recovered("store");
    log.info("The shared ports at '{key}' can be used again", { key: this.#key });
  }

  /** Fields of the hash are damaged; see `ParsedPorts`. */
  damaged(damage: readonly string[]): void {
    for (const reason of damage) {
      this.#log("error", "damage", reason, [
        "The shared ports at '{key}' are damaged: {reason}; correct it with HSET, or remove it " +
        "with HDEL",
        { reason },
      ]);
    }
  }

  /** Static mappings of this proxy are not those of the others. */
  contradicted(contradictions: readonly Contradiction[]): void {
    for (const contradiction of contradictions) {
      const reason = this.describe(contradiction);
      this.#log("error", "port-map", reason, ["{reason}", { reason }]);
    }
  }

  /** Why a static mapping cannot be used, and what to do. */
  describe({ id, pinned, claimed }: Contradiction): string {
    const fact = claimed === undefined
      ? `another node has that port in the shared ports at '${this.#key}'`
      : `the shared ports at '${this.#key}' give it port ${claimed}`;
    return `--port-map gives node ${id} port ${pinned}, but ${fact}; remove the entry, or delete ` +
      "the key while no proxy runs";
  }

  /** Nodes have no port although the proxy could write the hash: the range is full. */
  full(shared: SharedPorts, wishes: Wishes): void {
    // Otherwise the write has failed.
    if (claimsToWrite(shared, wishes).size > 0) return;
    const claims = claimsById(shared);
    const { first, count } = wishes.range;
    for (const { id, pinned } of wishes.nodes) {
      if (pinned !== undefined || claims.has(id)) continue;
      this.#log("error", "range", id, [
        "No port is left for node {node_id} in the shared ports at '{key}', {first} to {last}: " +
        "raise --max-nodes of all proxies above {count}",
        { node_id: id, first, last: first + count - 1, count },
      ]);
    }
  }

  /** Replicas have not acknowledged a write in time. */
  unacknowledged(count: number): void {
    this.#log("warning", "replicas", "unacknowledged", [
      "{count} replicas may lack the last write to the shared ports at '{key}', so a failover now " +
      "may lose it; it is then written again",
      { count },
    ]);
  }

  #log(
    level: "info" | "warning" | "error",
    topic: string,
    cause: string,
    [message, fields]: readonly [message: string, fields: LogFields],
  ): void {
    this.#throttle.log(level, { topic, cause }, [message, { key: this.#key, ...fields }]);
  }
}
