// The status page is a function from a `PageStatus` to markup: page.ts has the document,
// node_table.ts the rows, problems.ts what is wrong in plain words. describe.ts makes a `PageStatus`
// of what the proxy knows. Here is what remains: the history, which needs samples, and the time.

import type { Proxy } from "../../proxy/proxy.ts";
import type { ProxyStatus } from "../../proxy/status.ts";
import { describe, type PageProgram } from "./describe.ts";
import { renderPage } from "./page.ts";
import { TrafficHistory } from "./traffic_history.ts";

/** Five minutes, in steps that are wide enough to be seen. */
const HISTORY = { length: 60, intervalMs: 5000 };

/** How long a page is good for everybody who asks. */
const MIN_AGE_MS = 250;

/** Rendering a page of a thousand nodes takes 100 ms; this limits its part of the time. */
const MAX_RENDERING_SHARE = 1 / 20;

/** The status page of a program, with the traffic of the last minutes. */
export class StatusPage {
  readonly #program: PageProgram;
  readonly #proxyOf: () => Pick<Proxy, "status"> | undefined;
  readonly #history = new TrafficHistory(HISTORY.length);
  readonly #timer: ReturnType<typeof setInterval>;
  #page: Promise<string> | undefined;
  /** Until when `#page` is good. */
  #freshUntilMs = -Infinity;

  /** @param proxyOf returns the proxy, once it is created */
  constructor(program: PageProgram, proxyOf: () => Pick<Proxy, "status"> | undefined) {
    this.#program = program;
    this.#proxyOf = proxyOf;
    this.#timer = setInterval(() => this.#sample(), HISTORY.intervalMs);
  }

  /** Renders the page as of now, or of a moment ago, so that many who ask cost no more. */
  render(): Promise<string> {
    if (this.#page === undefined || performance.now() >= this.#freshUntilMs) {
      this.#freshUntilMs = Infinity;
      this.#page = this.#render();
    }
    return this.#page;
  }

  /** Takes no more samples. */
  close(): void {
    clearInterval(this.#timer);
  }

  async #render(): Promise<string> {
    let freshUntilMs = -Infinity;
    try {
      const status = await this.#proxyOf()?.status();
      const startMs = performance.now();
      const page = renderPage(describe(this.#program, status, this.#history), HISTORY);
      const endMs = performance.now();
      freshUntilMs = endMs + Math.max(MIN_AGE_MS, (endMs - startMs) / MAX_RENDERING_SHARE);
      return page;
    } finally {
      this.#freshUntilMs = freshUntilMs;
    }
  }

  async #sample(): Promise<void> {
    const status = await this.#proxyOf()?.status();
    if (status !== undefined) this.#history.add(totalsOf(status), performance.now());
  }
}

function totalsOf({ nodes }: ProxyStatus): Parameters<TrafficHistory["add"]>[0] {
  return new Map(nodes.map(({ listenPort, ports }) => [listenPort, {
    fromClients: ports.reduce((sum, { receivedFromClients }) => sum + receivedFromClients, 0),
    toClients: ports.reduce((sum, { receivedFromNode }) => sum + receivedFromNode, 0),
  }]));
}
