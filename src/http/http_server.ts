import { log } from "../platform/log.ts";
import {
  accept,
  close,
  closeWrite,
  type Connection,
  isGone,
  type Listener,
  writeAll,
} from "../platform/net.ts";
import { withTimeout } from "../platform/timeout.ts";
import { BadRequestError, type HttpRequest, MAX_HEAD_BYTES, parseHead } from "./request_head.ts";

/** What a server answers. */
export interface HttpResponse {
  readonly status: number;
  /** The media type of the body. */
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answers a request, whose method is GET or HEAD. */
export type HttpHandler = (request: HttpRequest) => Promise<HttpResponse>;

/** What limits the clients of a server together. */
export interface HttpLimits {
  readonly maxConnections: number;
  /** How long a connection may last in all, its request and its response included. */
  readonly timeoutMs: number;
}

/** More than Prometheus, a load balancer, an orchestrator and some browsers need. */
const LIMITS: HttpLimits = { maxConnections: 32, timeoutMs: 10_000 };

/** How long a connection may be without a request until it has to make room for others. */
const PATIENCE_MS = 250;

/** How long a client may take to close a connection after the response, and how much it may send. */
const LINGER_MS = 1000;
const MAX_LINGER_BYTES = 64 * 1024;

/** A head comes in one piece or two; each read takes CPU time from the relay. */
const MAX_HEAD_READS = 64;

/** A request takes a fraction of a millisecond of CPU time, so the relay keeps nearly all of it. */
const MAX_ACCEPTS_PER_SECOND = 100;

/** Pause between two attempts to accept when the process has no file descriptors left. */
const ACCEPT_PAUSE_MS = 100;

/**
 * A server of HTTP/1.1 for GET and HEAD, one request a connection. src/README.md says why it is not
 * `Deno.serve`.
 *
 * Clients cannot disturb the relay: the number of connections is limited, their time, and how many
 * are accepted in a second; others wait in the kernel. When there are too many, the oldest is closed
 * if it has sent no request for a while, so that slow clients do not keep out those that only ask
 * for health.
 */
export class HttpServer {
  readonly #listeners: readonly Listener[];
  readonly #handler: HttpHandler;
  readonly #limits: HttpLimits;
  readonly #connections = new Set<Connection>();
  /** Connections whose request is incomplete, and since when, the oldest first. */
  readonly #waiting = new Map<Connection, number>();
  /** Resolved when a connection ends; undefined until `#room` waits for that. */
  #ended: PromiseWithResolvers<void> | undefined;
  readonly #loops: readonly Promise<void>[];
  #isClosed = false;
  #secondBeganAtMs = -Infinity;
  #acceptedInSecond = 0;

  /** @param listeners are owned by the server from now on */
  constructor(listeners: readonly Listener[], handler: HttpHandler, limits = LIMITS) {
    this.#listeners = listeners;
    this.#limits = limits;
    this.#handler = handler;
    this.#loops = listeners.map((listener) => this.#acceptAll(listener));
  }

  /** Stops at once; done when nothing is open. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const listener of this.#listeners) close(listener);
    for (const connection of this.#connections) close(connection);
    await Promise.all(this.#loops);
  }

  async #acceptAll(listener: Listener): Promise<void> {
    while (!this.#isClosed) {
      try {
        const connection = await accept(listener);
        await this.#pace();
        await this.#room();
        if (this.#isClosed) close(connection);
        else this.#serve(connection);
      } catch {
        if (!this.#isClosed) await new Promise((resolve) => setTimeout(resolve, ACCEPT_PAUSE_MS));
      }
    }
  }

  /** Waits for the next second after MAX_ACCEPTS_PER_SECOND. */
  async #pace(): Promise<void> {
    const leftMs = this.#secondBeganAtMs + 1000 - performance.now();
    if (leftMs <= 0) {
      this.#secondBeganAtMs = performance.now();
      this.#acceptedInSecond = 0;
    }
    this.#acceptedInSecond++;
    if (this.#acceptedInSecond >= MAX_ACCEPTS_PER_SECOND && leftMs > 0) {
      await new Promise((resolve) => setTimeout(resolve, leftMs));
    }
  }

  /** Waits until there is room for one more, and closes the oldest that has sent no request. */
  async #room(): Promise<void> {
    while (this.#connections.size >= this.#limits.maxConnections) {
      const [oldest] = this.#waiting;
      const leftMs = oldest === undefined ? Infinity : oldest[1] + PATIENCE_MS - performance.now();
      if (oldest !== undefined && leftMs <= 0) this.#end(oldest[0]);
      else await withTimeout((this.#ended ??= Promise.withResolvers()).promise, leftMs);
    }
  }

  #end(connection: Connection): void {
    this.#waiting.delete(connection);
    this.#connections.delete(connection);
    close(connection);
    this.#ended?.resolve();
    this.#ended = undefined;
  }

  async #serve(connection: Connection): Promise<void> {
    this.#connections.add(connection);
    this.#waiting.set(connection, performance.now());
    const timer = setTimeout(() => close(connection), this.#limits.timeoutMs);
    try {
      const { response, isHead } = await this.#answer(connection);
      await writeAll(connection, encode(response, isHead));
      await closeWrite(connection);
      // The kernel resets a connection that is closed with unread bytes, and the client could lose
      // the response.
      await withTimeout(skipRest(connection), LINGER_MS);
    } catch (error) {
      if (!isGone(error)) log.debug("An HTTP client has failed: {error}", { error });
    } finally {
      clearTimeout(timer);
      this.#end(connection);
    }
  }

  /** Reads a request, and returns what to answer. */
  async #answer(connection: Connection): Promise<{ response: HttpResponse; isHead: boolean }> {
    let method: string | undefined;
    const answer = (response: HttpResponse) => ({ response, isHead: method === "HEAD" });
    try {
      const request = await readHead(connection);
      this.#waiting.delete(connection);
      method = request.method;
      if (method !== "GET" && method !== "HEAD") return answer(METHOD_NOT_ALLOWED);
      return answer(await this.#handler(request));
    } catch (error) {
      if (isGone(error)) throw error;
      if (error instanceof BadRequestError) {
        method = error.method;
        return answer(textResponse(error.status, error.message));
      }
      const reason = error instanceof Error ? error.stack ?? error.message : String(error);
      log.error("Cannot answer an HTTP request: {reason}", { reason });
      return answer(textResponse(500, "An unexpected error; the log has it"));
    }
  }
}

/** A response of one line. */
export function textResponse(status: number, line: string): HttpResponse {
  return { status, type: "text/plain; charset=utf-8", body: `${line}\n` };
}

const METHOD_NOT_ALLOWED: HttpResponse = {
  ...textResponse(405, "Only GET and HEAD"),
  headers: { allow: "GET, HEAD" },
};

async function readHead(connection: Connection): Promise<HttpRequest> {
  const buffer = new Uint8Array(MAX_HEAD_BYTES);
  for (let end = 0, reads = 0; reads < MAX_HEAD_READS; reads++) {
    const read = await connection.read(buffer.subarray(end));
    if (read === null) throw new Deno.errors.UnexpectedEof("The client has sent no request");
    end += read;
    const request = parseHead(DECODER.decode(buffer.subarray(0, end)));
    if (request !== undefined) return request;
  }
  throw new BadRequestError(400, "The head of the request comes in too many pieces");
}

/** Reads to the end, or MAX_LINGER_BYTES. */
async function skipRest(connection: Connection): Promise<void> {
  const buffer = new Uint8Array(MAX_HEAD_BYTES);
  for (let left = MAX_LINGER_BYTES; left > 0;) {
    const read = await connection.read(buffer);
    if (read === null) return;
    left -= read;
  }
}

const DECODER = new TextDecoder("latin1");
const ENCODER = new TextEncoder();

/** No browser may take a response for something else, keep it, or show it in another page. */
const SAFE_HEADERS: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

function encode({ status, type, body, headers }: HttpResponse, isHead: boolean): Uint8Array {
  const bytes = ENCODER.encode(body);
  const fields = {
    date: new Date().toUTCString(),
    connection: "close",
    "content-type": type,
    "content-length": String(bytes.length),
    ...SAFE_HEADERS,
    ...headers,
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const head = ENCODER.encode(`HTTP/1.1 ${status} ${REASONS[status] ?? ""}\r\n${lines}\r\n`);
  if (isHead) return head;
  const response = new Uint8Array(head.length + bytes.length);
  response.set(head);
  response.set(bytes, head.length);
  return response;
}

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
  505: "HTTP Version Not Supported",
};
