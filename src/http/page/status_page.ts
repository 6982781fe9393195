// The status page is a function from a `PageStatus` to markup: page.ts has the document,
// node_table.ts the rows, problems.ts what is wrong in plain words. describe.ts makes a `PageStatus`
// of what the proxy knows. Here is what remains: the history, which needs samples, and the time.

import type { Proxy } from "../../proxy/proxy.ts";
import type { ProxyStatus } from "../../proxy/status.ts";
import { SharedText } from "../shared_text.ts";
import { describe, type PageProgram } from "./describe.ts";
import { renderPage } from "./page.ts";
import { TrafficHistory } from "./traffic_history.ts";

/** Five minutes, in steps that are wide enough to be seen. */
const HISTORY = { length: 60, intervalMs: 5000 };

/** The status page of a program, with the traffic of the last minutes. */
export class StatusPage {
  readonly #proxyOf: () => Pick<Proxy, "status"> | undefined;
  readonly #history = new TrafficHistory(HISTORY.length);
  readonly #page: SharedText;
  readonly #timer: ReturnType<typeof setInterval>;

  /** @param proxyOf returns the proxy, once it is created */
  constructor(program: PageProgram, proxyOf: () => Pick<Proxy, "status"> | undefined) {
    this.#proxyOf = proxyOf;
    this.#page = new SharedText(
      async () => await proxyOf()?.status(),
      (status) => renderPage(describe(program, status, this.#history), HISTORY),
    );
    this.#timer = setInterval(() => this.#sample(), HISTORY.intervalMs);
  }

  /** The page as of now, or of a moment ago. */
  render(): Promise<string> {
    return this.#page.get();
  }

  /** Takes no more samples. */
  close(): void {
    clearInterval(this.#timer);
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
