import type { Fleet } from "./fleet.ts";

/** The pause between two comparisons. */
const PAUSE_MS = 50;

/** A port that two proxies give to different nodes, or a node that has two ports. */
interface Difference {
  readonly sinceMs: number;
  lastMs: number;
}

/** Compares the ports of all proxies of a fleet again and again. */
export class Agreement {
  readonly #fleet: Fleet;
  /** The differences of the last comparison, by what they say. */
  readonly #open = new Map<string, Difference>();
  /** Differences that have ended, or had not when it was stopped. */
  readonly #ended: { readonly text: string; readonly durationMs: number }[] = [];
  readonly #comparing: Promise<void>;
  #isStopping = false;
  comparisons = 0;

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
    this.#comparing = this.#compareAll();
  }

  /** Stops, and returns what proxies have disagreed about, and for how long. */
  async stop(): Promise<readonly { readonly text: string; readonly durationMs: number }[]> {
    this.#isStopping = true;
    await this.#comparing;
    this.#close(() => true);
    return this.#ended;
  }

  async #compareAll(): Promise<void> {
    while (!this.#isStopping) {
      await this.#compare();
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  async #compare(): Promise<void> {
    const nowMs = performance.now();
    const maps = await Promise.all(this.#fleet.members.map((member) => this.#fleet.mapOf(member)));
    const known = maps.filter((map) => map !== undefined);
    if (known.length < 2) return;
    this.comparisons++;
    const found = new Set<string>();
    const portsOf = new Map<string, Set<number>>();
    const nodesAt = new Map<number, Set<string>>();
    for (const map of known) {
      for (const [id, port] of map) {
        portsOf.set(id, (portsOf.get(id) ?? new Set()).add(port));
        nodesAt.set(port, (nodesAt.get(port) ?? new Set()).add(id));
      }
    }
    for (const [id, ports] of portsOf) {
      if (ports.size > 1) found.add(`node ${id.slice(0, 8)} at ports ${[...ports].sort().join()}`);
    }
    for (const [port, ids] of nodesAt) {
      const short = [...ids].map((id) => id.slice(0, 8)).sort();
      if (ids.size > 1) found.add(`port ${port} for nodes ${short.join()}`);
    }
    for (const text of found) {
      const known = this.#open.get(text);
      if (known === undefined) this.#open.set(text, { sinceMs: nowMs, lastMs: nowMs });
      else known.lastMs = nowMs;
    }
    this.#close((text) => !found.has(text));
  }

  #close(isOver: (text: string) => boolean): void {
    for (const [text, { sinceMs, lastMs }] of this.#open) {
      if (!isOver(text)) continue;
      this.#open.delete(text);
      this.#ended.push({ text, durationMs: lastMs - sinceMs });
    }
  }
}
