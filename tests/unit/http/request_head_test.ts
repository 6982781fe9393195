import { assert, assertEquals, assertThrows } from "@std/assert";
import { BadRequestError, MAX_HEAD_BYTES, parseHead } from "../../../src/http/request_head.ts";

/** Heads, and the method, path and host in them. */
const HEADS: Record<string, [method: string, path: string, host: string | undefined]> = {
  "GET / HTTP/1.1\r\nHost: a:1\r\n\r\n": ["GET", "/", "a:1"],
  "GET /nodes?x=1 HTTP/1.1\r\nAccept: */*\r\nhOsT:\ta \r\n\r\n": ["GET", "/nodes", "a"],
  "HEAD /a%20b/../c HTTP/1.1\r\nHost:\r\n\r\n": ["HEAD", "/a%20b/../c", ""],
  "GET http://b:2/nodes HTTP/1.1\r\nHost: a\r\n\r\n": ["GET", "/nodes", "a"],
  "GET http://b HTTP/1.1\r\nHost: a\r\n\r\nbody": ["GET", "/", "a"],
  "GET / HTTP/1.0\n\n": ["GET", "/", undefined],
  "POST / HTTP/1.1\r\nHost: a\r\n\r\n": ["POST", "/", "a"],
};

/** Heads that cannot be used, and the status for them. */
const BAD_HEADS: Record<string, number> = {
  "\r\n\r\n": 400,
  "GET /\r\n\r\n": 400,
  "get / HTTP/1.1\r\nHost: a\r\n\r\n": 400,
  "GET / / HTTP/1.1\r\nHost: a\r\n\r\n": 400,
  "GET / HTTP/1.1\r\n\r\n": 400,
  "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n": 400,
  "GET / HTTP/2.0\r\nHost: a\r\n\r\n": 505,
  ["a".repeat(MAX_HEAD_BYTES)]: 431,
};

Deno.test("the head of a request has a method, a path and a host", () => {
  for (const [text, [method, path, host]] of Object.entries(HEADS)) {
    assertEquals(parseHead(text), { method, path, host }, text);
    const end = text.search(/\r?\n\r?\n/) + 1;
    for (let length = 0; length < end; length++) {
      assertEquals(parseHead(text.slice(0, length)), undefined, text.slice(0, length));
    }
  }
});

Deno.test("a head that is no request is refused", () => {
  for (const [text, status] of Object.entries(BAD_HEADS)) {
    const error = assertThrows(() => parseHead(text));
    assert(error instanceof BadRequestError, `${error}`);
    assertEquals(error.status, status, text.slice(0, 80));
  }
});
