import { assertEquals } from "@std/assert";
import { markup } from "../../../../src/http/page/markup.ts";

Deno.test("a value is text, between tags and in attributes", () => {
  const value = `<b title="it's">&`;
  const escaped = "&lt;b title=&quot;it&#39;s&quot;&gt;&amp;";
  const expected = `<p title="${escaped}">${escaped}</p>`;
  assertEquals(`${markup`<p title="${value}">${value}</p>`}`, expected);
});

Deno.test("markup in markup is not escaped again", () => {
  const items = ["a", "<"].map((text) => markup`<li>${text}</li>`);
  assertEquals(`${markup`<ul>${items}</ul>`}`, "<ul><li>a</li><li>&lt;</li></ul>");
});

Deno.test("nothing is shown for undefined and false, and 0 is a number", () => {
  assertEquals(`${markup`<p>${undefined}${false}${0}</p>`}`, "<p>0</p>");
});
