import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { OperatorError } from "../../src/platform/operator_error.ts";
import { waitUntilReady } from "../../src/cluster/readiness.ts";
import { ClusterDiscovery } from "../../src/cluster/discovery.ts";
import type { ClusterView } from "../../src/cluster/view.ts";
import { textOf } from "../../src/resp/frame.ts";
import { RedisCluster } from "../support/cluster.ts";
import { idAt } from "../support/named_nodes.ts";
import { NatProcess, runNat } from "../support/nat_process.ts";
import { findFreePorts } from "../support/ports.ts";
import { TemporaryDirectory } from "../support/temporary.ts";
import { until } from "../support/until.ts";
import { line, PLAIN_LINK, viewOf } from "../support/views.ts";
import { WireClient } from "../support/wire.ts";

/** A discovery with scripted views, one after the other; the last one repeats. */
class SeenTopology extends ClusterDiscovery {
  readonly #views: ClusterView[];

  constructor(...views: ClusterView[]) {
    super({ seeds: [], ...PLAIN_LINK });
    this.#views = views;
  }

  override queryAny(): Promise<ClusterView> {
    return Promise.resolve(this.#views.length > 1 ? this.#views.shift()! : this.#views[0]!);
  }
}

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

async function timed<T>(work: Promise<T>): Promise<[value: T, tookMs: number]> {
  const startMs = performance.now();
  return [await work, performance.now() - startMs];
}

for (
  const [name, view] of [["a slot without an owner", PARTIAL], [
    "a shard down",
    SHARD_DOWN,
  ]] as const
) {
  Deno.test(`a cluster with ${name} is served after half of the timeout`, async () => {
    const [served, tookMs] = await timed(waitUntilReady(new SeenTopology(view), 600));
    assertEquals(served, view);
    assert(tookMs > 295 && tookMs < 300 + GRACE_MS, `${tookMs} ms`);
  });
}

Deno.test("a start waits until a cluster that is being created is complete", async () => {
  const topology = new SeenTopology(EMPTY, PARTIAL, SHARD_DOWN, WHOLE);
  const [served] = await timed(waitUntilReady(topology, 60_000));
  assertEquals(served, WHOLE);
});

Deno.test("a cluster whose first slot comes late is served at the end of the timeout", async () => {
  const [served, tookMs] = await timed(
    waitUntilReady(new SeenTopology(EMPTY, EMPTY, PARTIAL), 500),
  );
  assertEquals(served, PARTIAL);
  assert(tookMs > 495 && tookMs < 500 + GRACE_MS, `${tookMs} ms`);
});

Deno.test("a cluster without a slot is not served", async () => {
  await assertRejects(
    () => waitUntilReady(new SeenTopology(EMPTY), 200),
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
  const args = [
    `--cluster-addr=${first!.address}`,
    `--listen-addr=127.0.0.1:${port}`,
    "--public-host=127.0.0.1",
    "--max-nodes=3",
    `--state-file=${directory.at("state.json")}`,
    "--start-timeout=2s",
  ];
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
