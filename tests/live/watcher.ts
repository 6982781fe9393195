import { fromLatin1 } from "../../src/resp/bytes.ts";
import { decodeFrame, type Value } from "../../src/resp/frame.ts";
import { namedInLines, namedInShards, namedInSlots } from "../support/named_nodes.ts";
import type { NamedNode } from "../support/named_nodes.ts";
import type { RunningProxy } from "../support/proxy.ts";
import { wire, WireClient } from "../support/wire.ts";

/** The pause between two rounds over all ports. */
const PAUSE_MS = 50;

/** A node that has just died does not answer for a moment. */
const DEADLINE_MS = 2_000;

/** Some are in each shard, so that every node redirects some. */
const KEYS = Array.from({ length: 12 }, (_, index) => `watched:${index}`);

const REDIRECT = /^-(?:MOVED|ASK) \d+ (.*):(\d+)\r\n$/;

/** Reads the nodes that a reply names. */
type Reader = (reply: Value) => NamedNode[];

const REQUESTS: readonly (readonly [words: string[], named?: Reader])[] = [
  [["CLUSTER", "SLOTS"], namedInSlots],
  [["CLUSTER", "SHARDS"], namedInShards],
  [["CLUSTER", "NODES"], namedInLines],
  [["ROLE"]],
  [["INFO", "replication"]],
  ...KEYS.map((key): [string[]] => [["GET", key]]),
];

/** What the clients of one view of a proxy are shown. */
export type WatchedView = Pick<RunningProxy<never>, "host" | "ports">;

/**
 * Queries all ports of a proxy repeatedly for replies with addresses, and checks the raw bytes: a
 * client is shown addresses of the view that it came by, and no others.
 */
export class Watcher {
  readonly #views: readonly WatchedView[];
  readonly #isPrivate: (text: string) => boolean;
  readonly #leaks: string[] = [];
  /** Every public port of each view so far. */
  readonly #ports = new Map<WatchedView, Set<number>>();
  readonly #watching: Promise<void>;
  replies = 0;
  #stopping = false;

  /** @param isPrivate whether a text contains a private address */
  constructor(views: readonly WatchedView[], isPrivate: (text: string) => boolean) {
    this.#views = views;
    this.#isPrivate = isPrivate;
    for (const view of views) this.#ports.set(view, new Set());
    this.#watching = this.#watch();
  }

  /** Every public address of a view so far. */
  addressesIn(view: WatchedView): ReadonlySet<string> {
    return new Set([...this.#portsIn(view)].map((port) => `${view.host}:${port}`));
  }

  #portsIn(view: WatchedView): ReadonlySet<number> {
    const ports = this.#ports.get(view)!;
    for (const port of view.ports) ports.add(port);
    return ports;
  }

  /** Stops, and returns the replies that leak an address. */
  async stop(): Promise<string[]> {
    this.#stopping = true;
    await this.#watching;
    return this.#leaks;
  }

  async #watch(): Promise<void> {
    // The views take turns, so that several cost no more than one.
    for (let round = 0; !this.#stopping; round++) {
      const view = this.#views[round % this.#views.length]!;
      await Promise.all(view.ports.map((port) => this.#ask(view, port)));
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  async #ask(view: WatchedView, port: number): Promise<void> {
    let frames: string[];
    try {
      using client = await WireClient.connect(view.host, port);
      await client.send(REQUESTS.map(([words]) => wire(...words)).join(""));
      frames = await client.readFrames(REQUESTS.length, DEADLINE_MS);
    } catch {
      // The node is down; the others are queried.
      return;
    }
    for (const [index, frame] of frames.entries()) {
      const [words, named] = REQUESTS[index]!;
      this.replies++;
      if (this.#isSafe(frame, view, named)) continue;
      this.#leaks.push(`${words.join(" ")} at ${view.host}:${port}: ${frame}`);
    }
  }

  #isSafe(frame: string, view: WatchedView, named: Reader | undefined): boolean {
    const others = this.#views.filter(({ host }) => host !== view.host);
    if (this.#isPrivate(frame) || others.some(({ host }) => frame.includes(host))) return false;
    const ports = this.#portsIn(view);
    const [redirect, host, redirectPort] = REDIRECT.exec(frame) ?? [];
    if (redirect !== undefined) return host === view.host && ports.has(Number(redirectPort));
    if (named === undefined || frame.startsWith("-")) return true;
    return named(decodeFrame(fromLatin1(frame))).every(({ port, hosts }) =>
      port === 0
        ? hosts.every((host) => host === view.host || host === "")
        : ports.has(port) && hosts.every((host) => host === view.host)
    );
  }
}
