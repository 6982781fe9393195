import type { PageTraffic } from "./page_status.ts";

/** The bytes of a node with its clients since the start. */
export interface TrafficTotals {
  readonly fromClients: number;
  readonly toClients: number;
}

/** The last totals of a node, and its rates since. */
interface Track {
  totals: TrafficTotals;
  /** The rates of the last interval; undefined before the second sample. */
  rates: TrafficTotals | undefined;
  /** Both directions together, oldest first. */
  readonly history: number[];
}

/** Keeps the traffic of each node over the last samples, in bytes per second. */
export class TrafficHistory {
  readonly #length: number;
  readonly #tracks = new Map<number, Track>();
  #sampledAtMs = -Infinity;

  /** @param length how many samples are kept */
  constructor(length: number) {
    this.#length = length;
  }

  /**
   * Adds a sample, and forgets nodes that are not in it.
   *
   * @param nodes the totals by listen port
   */
  add(nodes: ReadonlyMap<number, TrafficTotals>, nowMs: number): void {
    const seconds = (nowMs - this.#sampledAtMs) / 1000;
    this.#sampledAtMs = nowMs;
    for (const port of this.#tracks.keys()) if (!nodes.has(port)) this.#tracks.delete(port);
    for (const [port, totals] of nodes) {
      const track = this.#tracks.get(port);
      if (track === undefined) {
        this.#tracks.set(port, { totals, rates: undefined, history: [] });
        continue;
      }
      // The port may stand for another node meanwhile, whose totals start again.
      const rate = (now: number, before: number) => Math.max(0, now - before) / seconds;
      const fromClients = rate(totals.fromClients, track.totals.fromClients);
      const toClients = rate(totals.toClients, track.totals.toClients);
      track.totals = totals;
      track.rates = { fromClients, toClients };
      track.history.push(fromClients + toClients);
      if (track.history.length > this.#length) track.history.shift();
    }
  }

  /** The traffic of a node; undefined until it was sampled twice. */
  of(port: number): PageTraffic | undefined {
    const { rates, history } = this.#tracks.get(port) ?? {};
    return rates && { ...rates, history: history! };
  }
}
