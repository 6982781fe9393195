import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe } from "../../../../src/http/page/describe.ts";
import { createViews } from "../../../../src/nat/public_view.ts";
import { StatusPage } from "../../../../src/http/page/status_page.ts";
import { TrafficHistory } from "../../../../src/http/page/traffic_history.ts";
import type { ProxyStatus } from "../../../../src/proxy/status.ts";
import { FakeClock } from "../../../support/fake_clock.ts";
import { nodeStatus, PROGRAM, statusWith } from "../../../support/shown_program.ts";

function described(status?: ProxyStatus) {
  return describe(PROGRAM, status, new TrafficHistory(2));
}

Deno.test("before the proxy is created, the page says that it starts", () => {
  const { phase, version, name, nodes, uncovered } = described();
  assertEquals(
    { phase, version, name, nodes, uncovered },
    {
      phase: "starting",
      version: "1.2.3 (abc)",
      name: "redis.example.com",
      nodes: [],
      uncovered: undefined,
    },
  );
});

Deno.test("a node is shown at the ports that clients use", () => {
  const replica = { ...nodeStatus(8001), role: "replica" as const, primaryId: "id8000" };
  const { nodes } = described(statusWith(nodeStatus(8000), replica));
  assertEquals(nodes.map(({ addresses }) => addresses[0]?.address), [
    "redis.example.com:9000",
    "redis.example.com:9001",
  ]);
  assertEquals(nodes[1]?.primary, { port: 8000, name: "9000" });
});

Deno.test("a node is shown at its address in each view, with the names of those besides the first", () => {
  const listen = { host: "", port: 8100 };
  const otherViews = [{ name: "vpn", listen, publicHost: undefined }];
  const views = createViews({ ...PROGRAM.options, otherViews });
  const { nodes } = described({ ...statusWith(nodeStatus(8000)), views });
  assertEquals(nodes[0]?.addresses, [
    { view: undefined, address: "redis.example.com:9000" },
    { view: "vpn", address: ":8100" },
  ]);
});

Deno.test("a node whose public port is not known is a problem until it is", () => {
  const views = createViews({ ...PROGRAM.options, awaitsPublicPorts: true });
  const status = { ...statusWith(nodeStatus(8000), nodeStatus(8001)), views };
  assertEquals(described(status).unknownPorts, [8000, 8001]);
  views[0].updatePublicPorts([{ listen: 8000, public: 31000 }]);
  assertEquals(described(status).unknownPorts, [8001]);
});

Deno.test("the latest connection of all views counts", () => {
  const shown = nodeStatus(8000, { lastConnect: { atMs: 1, seconds: 0.1 }, clients: 2 });
  const other = nodeStatus(8000, { lastConnect: { atMs: 2, seconds: 0.003 }, clients: 3 });
  const both = { ...shown, ports: [...shown.ports, ...other.ports] };
  const { connectMs, clients } = described(statusWith(both)).nodes[0]!;
  assertEquals({ connectMs, clients }, { connectMs: 3, clients: 5 });
});

Deno.test("only warnings and errors of the log are shown, and not too many", () => {
  const problems = Array.from({ length: 50 }, (_, index) => ({
    level: index === 0 ? "info" as const : "warning" as const,
    text: `${index}`,
    count: 1,
    lastAtMs: 0,
  }));
  const { warnings } = described({ ...statusWith(), problems });
  assertEquals(warnings.map(({ message }) => message).slice(0, 2), ["1", "2"]);
  assertEquals(warnings.length, 20);
});

Deno.test("traffic is shown from the second sample on", async () => {
  using clock = new FakeClock("setInterval");
  let receivedFromClients = 0;
  const page = new StatusPage(PROGRAM, () => ({
    status: () => Promise.resolve(statusWith(nodeStatus(8000, { receivedFromClients }))),
  }));
  assertStringIncludes(await page.render(), "not measured yet");
  clock.fire();
  await Promise.resolve();
  // So long that the time that really passes does not change the rate.
  receivedFromClients = 1_000_000_000_000;
  clock.aheadMs = 5_000_000;
  clock.fire();
  await Promise.resolve();
  assertStringIncludes(await page.render(), "191 MiB/s");
  page.close();
});
