import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { OperatorError } from "../../src/platform/operator_error.ts";
import { waitUntilReady } from "../../src/cluster/readiness.ts";
import type { ClusterView } from "../../src/cluster/view.ts";
import { textOf } from "../../src/resp/frame.ts";
import { RedisCluster } from "../support/cluster.ts";
import { Logged } from "../support/logged.ts";
import { idAt } from "../support/named_nodes.ts";
import { NatProcess, runNat } from "../support/nat_process.ts";
import { findFreePorts } from "../support/ports.ts";
import { ScriptedDiscovery } from "../support/scripted_discovery.ts";
import { TemporaryDirectory } from "../support/temporary.ts";
import { until } from "../support/until.ts";
import { line, viewOf } from "../support/views.ts";
import { WireClient } from "../support/wire.ts";

const SELF = "a 10.0.0.1:7000@17000 myself,master - 0 0 1 connected";
const WHOLE = viewOf([`${SELF} 0-16383`]);
const EMPTY = viewOf([SELF], { state: "fail" });
const PARTIAL = viewOf([`${SELF} 0-8041`, `${line("b", "10.0.0.2:7000")} 8043-16383`]);
const SHARD_DOWN = viewOf(
  [`${SELF} 0-8191`, `${line("b", "10.0.0.2:7000", "master,fail")} 8192-16383`],
  { state: "fail" },
);

/** How much longer a start may take on a busy machine. */
const GRACE_MS = 500;

/** What the start waits for: the views one after the other, which is served, and after how long. */
const STARTS: [name: string, views: ClusterView[], timeoutMs: number, afterMs: number][] = [
  ["with a slot without an owner is served after half of the timeout", [PARTIAL], 1300, 650],
  ["with a shard down is served after half of the timeout", [SHARD_DOWN], 1300, 650],
  [
    "that is being created is served when it is complete",
    [EMPTY, PARTIAL, SHARD_DOWN, WHOLE],
    60_000,
    // The pauses between queries.
    700,
  ],
  [
    "whose first slot comes late is served at the end of the timeout",
    [EMPTY, EMPTY, PARTIAL],
    500,
    500,
  ],
];

for (const [name, views, timeoutMs, afterMs] of STARTS) {
  Deno.test(`a cluster ${name}`, async () => {
    using logged = new Logged();
    const served = views.at(-1)!;
    const startMs = performance.now();
    const { nodes } = await waitUntilReady(new ScriptedDiscovery(...views), timeoutMs);
    const tookMs = performance.now() - startMs;
    assertEquals(nodes, served.nodes);
    // Each obstacle once.
    const waits = logged.lines.filter((line) => line.startsWith("info Waiting for the cluster: "));
    assertEquals(waits.length, new Set(views).size - (served === WHOLE ? 1 : 0), waits.join("\n"));
    assert(tookMs > afterMs - 5 && tookMs < afterMs + GRACE_MS, `${tookMs} ms`);
  });
}

Deno.test("a cluster without a slot is not served", async () => {
  await assertRejects(
    () => waitUntilReady(new ScriptedDiscovery(EMPTY), 200),
    OperatorError,
    "is not ready: its state is fail, 0 of 16384 slots are covered (gave up after 0.2 s",
  );
});

/** In slot 4843, and in slot 8042, which no node owns. */
const [COVERED, UNCOVERED] = ["lima", "oslo"];

Deno.test("a proxy starts during a partial outage", async (t) => {
  await using cluster = await RedisCluster.start({
    replicasEach: 0,
    directives: { "cluster-require-full-coverage": "no" },
  });
  await using directory = await TemporaryDirectory.create();
  const [first, second, third] = cluster.nodes;
  const port = findFreePorts(3);
  const addresses = [`--cluster-addr=${first!.address}`, `--listen-addr=127.0.0.1:${port}`];
  const ports = ["--public-host=127.0.0.1", "--max-nodes=3"];
  const state = `--state-file=${directory.at("state.json")}`;
  const args = [...addresses, ...ports, state, "--start-timeout=2s"];
  const lack = "Serving an incomplete cluster: its state is ok, 16383 of 16384 slots are " +
    "covered; no node owns 8042";

  await t.step("a slot without an owner: every other key is served", async () => {
    await until("all nodes know that the slot has no owner", async () => {
      for (const node of cluster.nodes) {
        await node.order("CLUSTER", "DELSLOTS", "8042").catch(() => {});
      }
      const infos = await Promise.all(cluster.nodes.map((node) => node.order("CLUSTER", "INFO")));
      return infos.every((info) => textOf(info)!.includes("cluster_slots_assigned:16383"));
    });
    await using nat = await new NatProcess(args).ready();
    assert(nat.stderr.includes(lack), nat.stderr);
    using client = await WireClient.connect("127.0.0.1", port);
    assertEquals(await client.ask("SET", COVERED!, "1"), { type: "+", text: "OK" });
    assertMatch(textOf(await client.ask("GET", UNCOVERED!))!, /^CLUSTERDOWN Hash slot not served/);
  });

  await t.step("--check logs it, and exits with 0", async () => {
    const { code, stderr } = await runNat([...args, "--check"]);
    assert(stderr.includes(lack), stderr);
    assertEquals(code, 0, stderr);
  });

  await t.step("a shard that is down: the others are served at the ports they had", async () => {
    await third!.kill();
    await until("the others flag it as failed", async (saw) => {
      const lines = textOf(await first!.order("CLUSTER", "NODES"))!;
      saw(lines);
      return / master,fail /.test(lines);
    }, 30_000);
    await using nat = await new NatProcess(args).ready();
    assertMatch(
      nat.stderr,
      new RegExp(
        `an incomplete cluster: .*node ${third!.id} at ${third!.address}, .*is flagged fail`,
      ),
    );
    for (const [at, node] of [first!, second!].entries()) {
      assertEquals(await idAt("127.0.0.1", port + at), node.id);
    }
    assertEquals(nat.mapping.get(third!.address), port + 2);
  });
});
