import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { type HttpLimits, HttpServer, textResponse } from "../../../src/http/http_server.ts";
import type { HttpRequest } from "../../../src/http/request_head.ts";
import { listen } from "../../../src/platform/net.ts";
import { Logged } from "../../support/logged.ts";
import { until } from "../../support/until.ts";
import { WireClient } from "../../support/wire.ts";

const AT = "127.0.0.1";

const GET = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

/** A server whose answer to each request is its path, until its block ends. */
class Served implements AsyncDisposable {
  readonly requests: HttpRequest[] = [];
  readonly #listener = listen(AT, 0);
  readonly #server: HttpServer;

  constructor(limits?: HttpLimits) {
    this.#server = new HttpServer([this.#listener], (request) => {
      this.requests.push(request);
      if (request.path === "/fault") throw new Error("A fault");
      return Promise.resolve(textResponse(200, request.path));
    }, limits);
  }

  connect(): Promise<WireClient> {
    return WireClient.connectTcp(AT, this.#listener.addr.port);
  }

  /** Sends bytes, and returns all that comes. */
  async ask(bytes: string): Promise<string> {
    using client = await this.connect();
    await client.send(bytes);
    return await client.readToEnd();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.close();
  }
}

Deno.test("a request is answered once, with headers that are safe in a browser", async () => {
  await using served = new Served();
  const answer = await served.ask(GET + GET);
  assertMatch(answer, /^HTTP\/1.1 200 OK\r\n[^]*\r\n\r\n\/a\n$/);
  for (
    const header of [
      "connection: close",
      "content-length: 3",
      "content-security-policy: default-src 'none'; frame-ancestors 'none'",
      "x-content-type-options: nosniff",
      "cache-control: no-store",
    ]
  ) assertMatch(answer, new RegExp(`\r\n${header}\r\n`));
  assertEquals(served.requests, [{ method: "GET", path: "/a", host: "a" }]);
});

Deno.test("HEAD gets the same head without a body", async () => {
  await using served = new Served();
  const answer = await served.ask(GET.replace("GET", "HEAD"));
  assertMatch(answer, /^HTTP\/1.1 200 OK\r\n[^]*\r\ncontent-length: 3\r\n[^]*\r\n\r\n$/);
});

Deno.test("HEAD gets no body when it is refused, or fails", async () => {
  await using served = new Served();
  using _logged = new Logged();
  const withoutHost = await served.ask("HEAD /a HTTP/1.1\r\n\r\n");
  assertMatch(withoutHost, /^HTTP\/1.1 400 Bad Request\r\n(.+\r\n)+\r\n$/);
  const failed = await served.ask("HEAD /fault HTTP/1.1\r\nHost: a\r\n\r\n");
  assertMatch(failed, /^HTTP\/1.1 500 Internal Server Error\r\n(.+\r\n)+\r\n$/);
});

Deno.test("other methods, and what is no request, are refused", async () => {
  await using served = new Served();
  const post = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
  assertMatch(await served.ask(post), /^HTTP\/1.1 405 [^]*\r\nallow: GET, HEAD\r\n/);
  assertMatch(await served.ask("\x16\x03\x01\r\n\r\n"), /^HTTP\/1.1 400 /);
  assertMatch(await served.ask("a".repeat(100_000)), /^HTTP\/1.1 431 /);
  assertEquals(served.requests, []);
});

Deno.test("a client that sends bit by bit, or goes on sending, is cut off", async () => {
  await using served = new Served();
  using slow = await served.connect();
  await slow.send(GET.slice(0, -2));
  let answer: string | undefined;
  const answered = slow.readToEnd().then((text) => answer = text);
  await until("it is cut off", async () => {
    await slow.send("A").catch(() => {});
    return answer;
  });
  assertMatch(await answered, /^HTTP\/1.1 400 /);
  using busy = await served.connect();
  await busy.send(GET);
  const piece = "a".repeat(1024 * 1024);
  // The kernel takes some megabytes.
  await assertRejects(async () => {
    for (let sent = 0; sent < 100; sent++) await busy.send(piece);
  });
});

Deno.test("an unexpected error is logged, and not shown", async () => {
  using logged = new Logged();
  await using served = new Served();
  const answer = await served.ask("GET /fault HTTP/1.0\r\n\r\n");
  assertMatch(answer, /^HTTP\/1.1 500 [^]*\r\n\r\nAn unexpected error; the log has it\n$/);
  assertMatch(logged.lines.join("\n"), /^error Cannot answer an HTTP request: Error: A fault\n/);
});

Deno.test("connections without a request are closed in time, or when others need their place", async () => {
  await using served = new Served({ maxConnections: 4, timeoutMs: 1500 });
  using clients = new DisposableStack();
  const slow: WireClient[] = [];
  for (let number = 0; number < 4; number++) {
    const client = clients.use(await served.connect());
    await client.send(GET.slice(0, -number - 1));
    slow.push(client);
  }
  // The oldest makes room.
  assertMatch(await served.ask(GET), /^HTTP\/1.1 200 OK/);
  assertEquals(await slow[0]!.readToEnd(), "");
  // A late end of the request still counts.
  await slow[1]!.send(GET.slice(-2));
  assertMatch(await slow[1]!.readToEnd(), /^HTTP\/1.1 200 OK/);
  for (const client of slow.slice(2)) assertEquals(await client.readToEnd(), "");
});

Deno.test("more clients than places are all answered, if they ask at once", async () => {
  await using served = new Served({ maxConnections: 4, timeoutMs: 5000 });
  const answers = await Promise.all(Array.from({ length: 60 }, () => served.ask(GET)));
  for (const answer of answers) assertMatch(answer, /^HTTP\/1.1 200 OK/);
});

Deno.test("a server that is closed leaves nothing open", async () => {
  const served = new Served();
  using client = await served.connect();
  await client.send(GET.slice(0, -1));
  assertMatch(await served.ask(GET), /^HTTP/);
  await served[Symbol.asyncDispose]();
  assertEquals(await client.readToEnd(), "");
  await until("connections are refused", () => served.connect().then(() => false, () => true));
});
