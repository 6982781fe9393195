import { assertEquals, assertMatch } from "@std/assert";
import type { PageStatus } from "../../../../src/http/page/page_status.ts";
import { formatSlots, problemsOf } from "../../../../src/http/page/problems.ts";
import type { UsedCertificate } from "../../../../src/tls/files_watcher.ts";
import { pageNode, pageStatus } from "./status.ts";

const { nowMs } = pageStatus();
const DAY_MS = 86_400_000;

const CERTIFICATE: UsedCertificate = {
  name: "redis.example.com",
  file: { source: "--tls-cert-file", path: "/tls/proxy.crt" },
  validFromMs: nowMs - DAY_MS,
  validUntilMs: nowMs + 100 * DAY_MS,
};

function certificates(changes: Partial<UsedCertificate>): Partial<PageStatus> {
  return { certificates: [{ ...CERTIFICATE, ...changes }] };
}

function down(status: "refusing" | "failed"): Partial<PageStatus> {
  return { nodes: [pageNode(8002, { name: "9002", state: { status, sinceMs: nowMs - 12_000 } })] };
}

function discovery(changes: Partial<PageStatus["discovery"]>): Partial<PageStatus> {
  return { discovery: { ...pageStatus().discovery, ...changes } };
}

/** What is wrong, and what the problem says; null if nothing is shown. */
const ROWS: Record<string, [changes: Partial<PageStatus>, problem: RegExp | null]> = {
  "nothing": [{}, null],
  "a node refuses": [
    down("refusing"),
    /^error Node 172\.23\.0\.4:7002 does not accept connections: Port 9002 has been closed for 12 s, /,
  ],
  "a node has failed": [down("failed"), /^error Node 172\.23\.0\.4:7002 has failed: .*Port 9002 /],
  "slots have no owner": [
    { uncovered: [{ first: 0, last: 9 }, { first: 20, last: 20 }] },
    /^error 11 slots without an owner: Requests for keys in slots 0–9, 20 fail/,
  ],
  "the proxy waits": [
    { phase: "starting", nodes: [], obstacle: "Its state is fail" },
    /^warning The proxy waits for the cluster: Its state is fail\. Public ports open/,
  ],
  "the proxy stops": [{ phase: "draining" }, /^warning The proxy is stopping: .* 6 clients may/],
  "the proxy stops without clients": [
    { phase: "draining", clients: { used: 0, limit: Infinity } },
    /No client is connected/,
  ],
  "the cluster was late once": [discovery({ answeredAtMs: nowMs - 29_000 }), null],
  "the cluster is silent": [
    discovery({ answeredAtMs: nowMs - 40_000, failure: "Connection refused" }),
    /^warning The cluster has not answered for 40 s: .*knows\. Connection refused\.$/,
  ],
  "the cluster is not queried regularly": [
    discovery({ answeredAtMs: nowMs - DAY_MS, intervalMs: Infinity }),
    null,
  ],
  "a node has no port": [{ withoutPort: "Raise --max-nodes" }, /^error .*port: Raise --max-nodes$/],
  "it is not known where clients reach ports": [
    { unknownPorts: [8000, 8001] },
    /^error Public ports are not known yet: Clients get .* instead of ports 8000, 8001, .*-file/,
  ],
  "ports cannot be shared": [
    { sharingFailure: "Connection refused" },
    /^warning The ports cannot be shared with other proxies: Connection refused\. Nodes keep/,
  ],
  "clients cannot be accepted": [{ acceptFails: true }, /^error New clients cannot be accepted/],
  "no client connection is left": [
    { clients: { used: 10, limit: 10 } },
    /^error All 10 client connections are in use: .*--max-connections/,
  ],
  "few client connections are left": [
    { clients: { used: 9, limit: 10 } },
    /^warning 9 of 10 client connections are in use/,
  ],
  "captures take almost all memory": [
    { captured: { used: 60, limit: 64 } },
    /^warning The memory for .* is almost used up: 60 B of 64 B .*--capture-limit/,
  ],
  "a certificate is valid for two weeks": [
    certificates({ validUntilMs: nowMs + 14 * DAY_MS }),
    null,
  ],
  "a certificate expires": [
    certificates({ validUntilMs: nowMs + 14 * DAY_MS - 1 }),
    /^warning The certificate redis\.example\.com expires in 13 days: Renew it in --tls-cert-file /,
  ],
  "a certificate expires today": [
    certificates({ validUntilMs: nowMs + 1 }),
    /expires in less than a day/,
  ],
  "a certificate has expired": [
    certificates({ validUntilMs: nowMs }),
    /^error The certificate redis\.example\.com has expired/,
  ],
  "a certificate is not valid yet": [
    certificates({ validFromMs: nowMs + 1 }),
    /^error The certificate redis\.example\.com is not valid yet/,
  ],
};

for (const [what, [changes, expected]] of Object.entries(ROWS)) {
  Deno.test(`${what}: ${expected === null ? "no problem" : "a problem in plain words"}`, () => {
    const problems = problemsOf(pageStatus(changes))
      .map(({ severity, title, detail }) => `${severity} ${title}: ${detail}`);
    if (expected === null) assertEquals(problems, []);
    else {
      assertEquals(problems.length, 1);
      assertMatch(problems[0]!, expected);
    }
  });
}

Deno.test("errors come before warnings", () => {
  const status = pageStatus({ ...down("failed"), phase: "draining" });
  assertEquals(problemsOf(status).map(({ severity }) => severity), ["error", "warning"]);
});

Deno.test("only the first ranges of slots are listed", () => {
  const ranges = Array.from({ length: 7 }, (_, index) => ({ first: 2 * index, last: 2 * index }));
  assertEquals(formatSlots(ranges), "0, 2, 4, 6, 8 and 2 more ranges");
});
