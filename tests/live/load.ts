import { SLOT_COUNT } from "../../src/cluster/node.ts";
import { textOf, type Value } from "../../src/resp/frame.ts";
import type { ClusterClient } from "../integration/clients/client.ts";
import type { RedisCluster } from "../support/cluster.ts";
import { slotOf } from "../support/slots.ts";
import { within } from "../support/until.ts";

/** Each of a few shards has several writers, so that its outage shows. */
export const WRITERS = 8;

/** The pause between a reply and the next write. */
const PAUSE_MS = 40;

/** Clients keep a command over an outage and some retries, but not forever. */
const HANG_MS = 20_000;

/** Keys read at once when the writes are checked. */
const READS_AT_ONCE = 500;

/** A key, whose value is the number of the last write. */
export interface Written {
  readonly key: string;
  readonly slot: number;
  /** The last write that was acknowledged, or 0. */
  acknowledged: number;
}

/**
 * Writes through one client without a break. Each writer has a part of the slots and one pending
 * write, half of the time to a new key and half to an earlier one.
 */
export class Load {
  /** The name of the writer, for messages. */
  readonly name: string;
  readonly #client: ClusterClient;
  readonly #keys: Written[] = [];
  /** The times of acknowledgements of each writer, in ms of the monotonic clock. */
  readonly #times: number[][] = [];
  /** Failed writes by the beginning of the error. */
  readonly errors = new Map<string, number>();
  readonly #writers: Promise<void>[];
  /** The writes that were never answered. */
  hung: string[] = [];
  /** When it was stopped, on the same clock. */
  #stoppedMs: number | undefined;

  /** Starts to write until `stop`. The caller keeps the client. */
  constructor(name: string, client: ClusterClient) {
    this.name = name;
    this.#client = client;
    this.#writers = Array.from({ length: WRITERS }, (_, writer) => this.#write(writer));
  }

  get acknowledged(): number {
    return this.#times.reduce((sum, { length }) => sum + length, 0);
  }

  /** The keys that it has written. */
  get written(): readonly Written[] {
    return this.#keys;
  }

  /** The last time since which each writer has had a write acknowledged; -Infinity before that. */
  get allFlowSinceMs(): number {
    return Math.min(...this.#times.map((times) => times.at(-1) ?? -Infinity));
  }

  /** Whether each writer has had a write acknowledged since then. */
  flowsSince(ms: number): boolean {
    return this.allFlowSinceMs > ms;
  }

  /** The longest time from then to the stop in which a writer had no write acknowledged, in ms. */
  longestGapMs(since: number): number {
    let longest = 0;
    for (const times of this.#times) {
      let last = times.findLast((time) => time <= since) ?? since;
      for (const time of [...times, this.#stoppedMs ?? performance.now()]) {
        if (time <= since) continue;
        longest = Math.max(longest, time - last);
        last = time;
      }
    }
    return longest;
  }

  /** Stops, and waits until all writes are answered or given up. */
  async stop(): Promise<void> {
    this.#stoppedMs ??= performance.now();
    await Promise.all(this.#writers);
  }

  /** The acknowledged writes that no node has any more. */
  lost(cluster: RedisCluster): Promise<string[]> {
    return lostWrites(this.#keys, cluster);
  }

  async #write(writer: number): Promise<void> {
    const times: number[] = this.#times[writer] = [];
    /** Keys without a failed write: such a write may still arrive. */
    const certain: Written[] = [];
    let serial = 0;
    for (let write = 1; this.#stoppedMs === undefined; write++) {
      const old = write % 2 === 0 ? certain[Math.floor(write / 4) % certain.length] : undefined;
      const written = old ?? this.#newKey(writer, () => ++serial);
      try {
        const { key } = written;
        const set = this.#client.command(key, "SET", key, `${write}`);
        const answer = await this.#settled(set, written, write);
        if (String(answer) !== "OK") throw new Error(`SET was answered with ${answer}`);
        times.push(performance.now());
        written.acknowledged = write;
        if (old === undefined) certain.push(written);
      } catch (error) {
        if (old !== undefined) certain.splice(certain.indexOf(old), 1);
        const text = (error instanceof Error ? error.message : String(error)).slice(0, 40);
        this.errors.set(text, (this.errors.get(text) ?? 0) + 1);
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  async #settled(set: Promise<unknown>, { key }: Written, write: number): Promise<unknown> {
    let settled = false;
    const noticed = set.finally(() => settled = true);
    try {
      return await within("get an answer", noticed, HANG_MS);
    } catch (error) {
      if (!settled) this.hung.push(`${this.name}: write ${write} to ${key}`);
      throw error;
    }
  }

  #newKey(writer: number, next: () => number): Written {
    for (;;) {
      const key = `${this.name}:${writer}:${next()}`;
      const slot = slotOf(key);
      if (Math.floor(slot * WRITERS / SLOT_COUNT) !== writer) continue;
      const written = { key, slot, acknowledged: 0 };
      this.#keys.push(written);
      return written;
    }
  }
}

/** The acknowledged writes that no node of a cluster has any more. */
export async function lostWrites(
  written: readonly Written[],
  cluster: RedisCluster,
): Promise<string[]> {
  const lost: string[] = [];
  for (const { node, role, slots } of await cluster.standings()) {
    if (role !== "primary") continue;
    const owned = new Set(slots);
    const keys = written.filter(({ slot, acknowledged }) => acknowledged > 0 && owned.has(slot));
    using client = await node.connect();
    for (let first = 0; first < keys.length; first += READS_AT_ONCE) {
      const some = keys.slice(first, first + READS_AT_ONCE);
      const values = await client.askAll(some.map(({ key }) => ["GET", key]));
      for (const [index, { key, acknowledged }] of some.entries()) {
        const found = numberOf(values[index]!);
        if (found < acknowledged) lost.push(`${key} is ${found}, not ${acknowledged}`);
      }
    }
  }
  return lost;
}

function numberOf(value: Value): number {
  if (value.type === "-") throw new Error(`A node answered '${value.text}' to GET`);
  return Number(textOf(value) ?? 0);
}
