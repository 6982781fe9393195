// http/ shows what the proxy does, over HTTP (--http-addr): health, readiness, nodes and metrics for
// programs, and a page for people.
// It owns its listeners and connections, reads the status of the proxy, and changes nothing. It may
// import proxy/ and all layers below that; only cli/ imports it, and only if the option is set.
//
// Start with `StatusServer`, which answers each path. http_server.ts speaks HTTP and limits its
// clients, metrics.ts lists the metrics.

import { isIpAddress, isLocalhost, isLoopback } from "../platform/address.ts";
import type { Listener } from "../platform/net.ts";
import type { Proxy } from "../proxy/proxy.ts";
import { EXPOSITION_TYPE } from "./exposition.ts";
import { type HttpResponse, HttpServer, textResponse } from "./http_server.ts";
import { metricsOf } from "./metrics.ts";
import { PAGE, PAGE_ASSETS } from "./page/assets.ts";
import type { PageProgram } from "./page/describe.ts";
import { StatusPage } from "./page/status_page.ts";
import type { HttpRequest } from "./request_head.ts";
import { SharedText } from "./shared_text.ts";

/** The program that is shown. */
export interface ShownProgram extends PageProgram {
  /** The proxy, once it is created; the start may take longer. */
  readonly proxy: Pick<Proxy, "whyNotReady" | "map" | "status"> | undefined;
}

/** Answers HTTP requests about the program. */
export class StatusServer {
  readonly #program: ShownProgram;
  readonly #page: StatusPage;
  readonly #metrics: SharedText;
  readonly #server: HttpServer;
  /** Whether only this machine reaches it. */
  readonly #isLocal: boolean;

  /**
   * @param host where it listens
   * @param listeners are owned by the server from now on
   */
  constructor(host: string, listeners: readonly Listener[], program: ShownProgram) {
    this.#isLocal = isLocalhost(host) || isLoopback(host);
    this.#program = program;
    this.#page = new StatusPage(program, () => program.proxy);
    this.#metrics = new SharedText(
      async () => await program.proxy?.status(),
      (status) => metricsOf(program, status),
    );
    this.#server = new HttpServer(listeners, (request) => this.#answer(request));
  }

  /** Stops at once. */
  close(): Promise<void> {
    this.#page.close();
    return this.#server.close();
  }

  async #answer({ path, host }: HttpRequest): Promise<HttpResponse> {
    if (this.#isLocal && !isLocalHost(host)) return FOREIGN_HOST;
    switch (path) {
      case "/":
        return { ...PAGE, body: await this.#page.render() };
      case "/healthz":
        return textResponse(200, "OK");
      case "/readyz":
        return await this.#readiness();
      case "/nodes":
        return this.#nodes();
      case "/metrics":
        return { status: 200, type: EXPOSITION_TYPE, body: await this.#metrics.get() };
      default:
        return PAGE_ASSETS.get(path) ??
          textResponse(404, "Not found; there are /, /healthz, /readyz, /nodes and /metrics");
    }
  }

  async #readiness(): Promise<HttpResponse> {
    const { proxy } = this.#program;
    const reason = proxy === undefined ? "The start has begun" : await proxy.whyNotReady();
    return reason === undefined ? textResponse(200, "Ready") : textResponse(503, reason);
  }

  #nodes(): HttpResponse {
    const { proxy } = this.#program;
    if (proxy === undefined) return textResponse(503, "The start has begun");
    return { status: 200, type: "application/json; charset=utf-8", body: proxy.map };
  }
}

/**
 * Whether the header Host names this machine. A page on the web can make a browser send requests
 * here, under a name of its own that suddenly resolves to 127.0.0.1, and read the answers.
 */
function isLocalHost(host: string | undefined): boolean {
  if (host === undefined) return true;
  const [, bracketed, name = ""] = /^(?:\[(.*)\]|([^:]*))(?::\d*)?$/.exec(host) ?? [];
  return isIpAddress(bracketed ?? name) || isLocalhost(name);
}

const FOREIGN_HOST = textResponse(
  403,
  "This address is for this machine only: use an IP address or localhost in the URL",
);
