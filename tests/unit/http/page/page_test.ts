import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { renderPage } from "../../../../src/http/page/page.ts";
import { PAGE, PAGE_ASSETS } from "../../../../src/http/page/assets.ts";
import type { PageStatus } from "../../../../src/http/page/page_status.ts";
import { pageNode, pageStatus } from "./status.ts";

const HISTORY = { length: 60, intervalMs: 5000 };

function page(changes: Partial<PageStatus> = {}): string {
  return renderPage(pageStatus(changes), HISTORY);
}

/** The text of a page, with one space between words. */
function textOf(markup: string): string {
  return markup.replaceAll("<wbr>", "").replace(/<[^>]*>/g, " ").replace(/\s+/g, " ");
}

Deno.test("a row has the node's addresses, id, role, slots, state, clients, traffic and latency", () => {
  const text = textOf(page());
  assertStringIncludes(
    text,
    `redis.example.com:8000 172.23.0.2:7000 ${
      "8000".padStart(40, "a")
    } primary 0–16383 16,384 slots ` +
      "up 2 h 3 ↑ from clients 1.0 KiB/s ↓ to clients 2.0 KiB/s 0.4 ms",
  );
  assertStringIncludes(text, "replica of 8000 – no slots up 2 h");
});

Deno.test("the role of a replica links to the row of its primary", () => {
  const markup = page();
  assertStringIncludes(markup, 'id="port-8000"');
  assertStringIncludes(markup, 'replica of <a href="#port-8000">8000</a>');
});

Deno.test("the title and the heading say that all is well, or how many problems there are", () => {
  assertStringIncludes(page(), "<title>All 2 nodes are up – redis.example.com</title>");
  const nodes = [pageNode(8000, { state: { status: "failed", sinceMs: 0 } })];
  const markup = page({ nodes, phase: "draining" });
  assertStringIncludes(markup, "<title>2 problems – redis.example.com</title>");
  assertStringIncludes(
    textOf(markup),
    "2 problems : Node 172.23.0.2:7000 has failed. The proxy is stopping.",
  );
});

Deno.test("a node in several views has an address in each", () => {
  const addresses = [
    { view: "default", address: "redis.example.com:8000" },
    { view: "vpn", address: "10.8.0.1:9000" },
  ];
  const text = textOf(page({ nodes: [pageNode(8000, { addresses })] }));
  assertStringIncludes(text, "redis.example.com:8000 default 10.8.0.1:9000 vpn 172.23.0.2:7000");
});

Deno.test("what is not known is not shown as a figure", () => {
  const nodes = [pageNode(8000, { id: "", traffic: undefined, connectMs: undefined })];
  const discovery = { answeredAtMs: undefined, intervalMs: 1000, failure: undefined };
  const text = textOf(page({ nodes, uncovered: undefined, discovery }));
  assertStringIncludes(
    text,
    "id not known yet primary – no slots up 2 h 3 – not measured yet – not measured",
  );
  assertStringIncludes(text, "Slots covered unknown");
  assertStringIncludes(text, "Traffic unknown");
  assertStringIncludes(text, "Cluster answered unknown");
});

Deno.test("limits are shown if there are any", () => {
  const limited = { clients: { used: 6, limit: 100 }, captured: { used: 0, limit: 1024 } };
  assertStringIncludes(textOf(page(limited)), "Clients 6 of 100");
  assertStringIncludes(textOf(page(limited)), "Captured replies 0 B of 1.0 KiB");
  assertStringIncludes(textOf(page()), "Clients 6 Traffic");
});

Deno.test("certificates, settings and warnings of the log have sections of their own", () => {
  const { nowMs } = pageStatus();
  const text = textOf(page({
    certificates: [{
      name: "redis.example.com",
      file: { source: "--tls-cert-file", path: "/tls/proxy.crt" },
      validFromMs: 0,
      validUntilMs: nowMs + 30.5 * 86_400_000,
    }],
    settings: [{ flag: "--max-nodes", value: "6", isDefault: false }],
    warnings: [{ message: "Node a is slow", count: 3, lastAtMs: nowMs - 61_000 }],
  }));
  assertStringIncludes(
    text,
    "redis.example.com --tls-cert-file /tls/proxy.crt 30 days left until 2026-12-30 10:31:05 UTC",
  );
  assertStringIncludes(text, "--max-nodes 6 ");
  assertStringIncludes(text, "1 min 1 s ago Node a is slow 3 times");
});

Deno.test("a certificate that has expired has no days left", () => {
  const { nowMs } = pageStatus();
  const text = textOf(page({
    certificates: [{
      name: "redis.example.com",
      file: { source: "--tls-cert-file", path: "/tls/proxy.crt" },
      validFromMs: 0,
      validUntilMs: nowMs - 1000,
    }],
  }));
  assertStringIncludes(text, "/tls/proxy.crt expired 2026-11-29 22:31:04 UTC");
});

Deno.test("every text may contain markup, which is shown as text", () => {
  const bad = `"><img src=x onerror=alert(1)>'&`;
  const { nowMs } = pageStatus();
  const markup = page({
    version: bad,
    name: bad,
    nodes: [
      pageNode(8000, {
        id: bad,
        addresses: [{ view: bad, address: bad }],
        privateAddress: bad,
        hostname: bad,
        state: { status: "failed", sinceMs: 0 },
      }),
    ],
    discovery: { answeredAtMs: 0, intervalMs: 1, failure: bad },
    withoutPort: bad,
    warnings: [{ message: bad, count: 1, lastAtMs: nowMs }],
    certificates: [{
      name: bad,
      file: { source: bad, path: bad },
      validFromMs: 0,
      validUntilMs: nowMs + 1,
    }],
    settings: [{ flag: bad, value: bad, isDefault: false }],
  });
  assert(!markup.includes("<img"));
  // In each place: twice in the row's id, three times in the title and heading.
  assert(markup.split("&quot;&gt;&lt;img src=x onerror=alert(1)&gt;&#39;&amp;").length > 15);
});

Deno.test("the page loads nothing but its own files, and has no script or style in it", () => {
  const nodes = [pageNode(8000, { state: { status: "refusing", sinceMs: 0 } })];
  const markup = page({ nodes });
  const loaded = [...markup.matchAll(/\b(?:src|href)="([^"#]+)"/g)].map(([, url]) => url!);
  assertEquals(
    loaded.filter((url) => !url.startsWith("data:image/svg+xml,")),
    ["page.css", "page.js", "nodes", "metrics", "healthz", "readyz"],
  );
  assert(!/ on\w+=| style=|<style|<script>|javascript:/.test(markup));
  for (const [path, { body }] of PAGE_ASSETS) assert(!/https?:|@import|url\(/.test(body), path);
  const policy = PAGE.headers!["content-security-policy"]!;
  assertMatch(policy, /^default-src 'none'; /);
  assert(!policy.includes("unsafe"));
});

Deno.test("a proxy without nodes has a page, too", () => {
  const text = textOf(page({ phase: "starting", nodes: [], settings: [] }));
  assertStringIncludes(text, "The proxy waits for the cluster No node has answered yet.");
  assertStringIncludes(text, "No node is known yet.");
});
