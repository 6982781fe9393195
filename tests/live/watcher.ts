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

/** Queries all ports of a proxy repeatedly for replies with addresses, and checks the raw bytes. */
export class Watcher {
  readonly #proxy: RunningProxy<never>;
  readonly #isPrivate: (text: string) => boolean;
  readonly #leaks: string[] = [];
  /** Every public port so far. */
  readonly #ports = new Set<number>();
  readonly #watching: Promise<void>;
  replies = 0;
  #stopping = false;

  /** @param isPrivate whether a text contains a private address */
  constructor(proxy: RunningProxy<never>, isPrivate: (text: string) => boolean) {
    this.#proxy = proxy;
    this.#isPrivate = isPrivate;
    this.#watching = this.#watch();
  }

  /** Every public port so far. */
  get ports(): ReadonlySet<number> {
    for (const port of this.#proxy.ports) this.#ports.add(port);
    return this.#ports;
  }

  /** Stops, and returns the replies that leak an address. */
  async stop(): Promise<string[]> {
    this.#stopping = true;
    await this.#watching;
    return this.#leaks;
  }

  async #watch(): Promise<void> {
    while (!this.#stopping) {
      await Promise.all([...this.#proxy.ports].map((port) => this.#ask(port)));
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  async #ask(port: number): Promise<void> {
    let frames: string[];
    try {
      using client = await WireClient.connect(this.#proxy.host, port);
      await client.send(REQUESTS.map(([words]) => wire(...words)).join(""));
      frames = await client.readFrames(REQUESTS.length, DEADLINE_MS);
    } catch {
      // The node is down; the others are queried.
      return;
    }
    for (const [index, frame] of frames.entries()) {
      const [words, named] = REQUESTS[index]!;
      this.replies++;
      if (!this.#isSafe(frame, named)) this.#leaks.push(`${words.join(" ")} at ${port}: ${frame}`);
    }
  }

  #isSafe(frame: string, named: Reader | undefined): boolean {
    if (this.#isPrivate(frame)) return false;
    if (named === undefined || frame.startsWith("-")) return true;
    const { ports } = this;
    return named(decodeFrame(fromLatin1(frame))).every(({ port, hosts }) =>
      hosts.every((host) => host === this.#proxy.host) && (port === 0 || ports.has(port))
    );
  }
}
