import { assert, assertEquals } from "@std/assert";
import { RedisCluster } from "../../support/cluster.ts";
import { NatProcess } from "../../support/nat_process.ts";
import { missing, run } from "../../support/program.ts";
import { getStatus, STATUS_FLAG } from "../../support/status.ts";
import { unless } from "../../support/unless.ts";
import { until } from "../../support/until.ts";
import { wire, WireClient } from "../../support/wire.ts";

/** With this many clients each of two threads has some, except once in a million runs. */
const CLIENTS = 21;

const THREADS = Deno.build.os === "linux" ? 2 : 1;

const PING = wire("PING");
const SLOTS = wire("CLUSTER", "SLOTS");

Deno.test("the metrics say what the proxy does, over all threads", async (t) => {
  await using cluster = await RedisCluster.start({ replicasEach: 0 });
  const node = cluster.nodes[0]!;
  await using nat = await NatProcess.serve(node, [STATUS_FLAG, `--threads=${THREADS}`]);
  const port = nat.portOf(node);
  const metrics = async () => new Metrics((await getStatus(nat, "/metrics")).text);
  /** Waits for values by the name and the labels of their sample, without the prefix. */
  const untilMetrics = (expected: Record<string, number>) =>
    until("the metrics are as expected", async (saw) => {
      const current = await metrics();
      const actual = Object.keys(expected).map((sample) => [sample, current.sample(sample)]);
      saw(actual);
      return actual.every(([sample, value]) => expected[sample!] === value) && current;
    });
  const ofPort = `{port="${port}",view="default"}`;
  using clients = new DisposableStack();

  await t.step("before the first client", async () => {
    const current = await untilMetrics({
      [`client_connections${ofPort}`]: 0,
      [`node_up${ofPort}`]: 1,
      'nodes{role="primary"}': 3,
      'nodes{role="replica"}': 0,
      slots_covered: 16384,
      threads: THREADS,
      capture_limit_bytes: 64 * 1024 * 1024,
    });
    const info =
      `node_info{port="${port}",view="default",id="${node.id}",role="primary",address="${node.address}"}`;
    assertEquals(current.sample(info), 1);
    const lastMs = 1000 * current.sample("discovery_last_success_timestamp_seconds")!;
    assert(Math.abs(Date.now() - lastMs) < 60_000, `${lastMs}`);
    assertEquals(current.sum("event_loop_lag_seconds") < 10, true);
  });

  await t.step("while clients are connected", async () => {
    const connect = async () => clients.use(await WireClient.connect("127.0.0.1", port));
    await Promise.all(Array.from({ length: CLIENTS }, async () => {
      await (await connect()).askAll([["PING"], ["CLUSTER", "SLOTS"]]);
    }));
    const current = await untilMetrics({
      [`client_connections${ofPort}`]: CLIENTS,
      [`client_connections_accepted_total${ofPort}`]: CLIENTS,
      [`client_requests_total${ofPort}`]: 2 * CLIENTS,
      [`received_bytes_total{side="client",port="${port}",view="default"}`]: CLIENTS *
        (PING.length + SLOTS.length),
      [`node_connects_total${ofPort}`]: CLIENTS,
      node_connect_duration_seconds_count: CLIENTS,
      'node_connect_duration_seconds_bucket{le="+Inf"}': CLIENTS,
      'replies_rewritten_total{kind="slots"}': CLIENTS,
    });
    assertEquals(current.sum("client_connections"), CLIENTS);
    assert(current.sum("received_bytes_total") > CLIENTS * (PING.length + SLOTS.length) * 2);
  });

  await t.step("when they have left", async () => {
    clients.dispose();
    await untilMetrics({
      [`client_connections${ofPort}`]: 0,
      [`client_requests_total${ofPort}`]: 2 * CLIENTS,
      'client_connections_closed_total{reason="client_closed"}': CLIENTS,
      'client_connections_closed_total{reason="node_closed"}': 0,
    });
  });

  await t.step("when a node is down", async () => {
    await node.kill();
    await untilMetrics({ [`node_up${ofPort}`]: 0 });
  });

  await t.step("and no client or secret is in them", async () => {
    const { text } = await getStatus(nat, "/metrics");
    const names = text.matchAll(/^\w+\{(.*)\}/gm).flatMap(([, labels]) =>
      labels!.matchAll(/(?:^|,)(\w+)="/g).map(([, name]) => name!)
    );
    const allowed =
      "address commit id kind le option port reason result role runtime side thread version view";
    assertEquals([...names].filter((name) => !allowed.split(" ").includes(name)), []);
  });

  await t.step(unless(await missing("promtool"), "as Prometheus wants them", async () => {
    const { text, type } = await getStatus(nat, "/metrics");
    assertEquals(type, "text/plain; version=0.0.4; charset=utf-8");
    assertEquals(await run(["promtool", "check", "metrics"], text), { code: 0, output: "" });
  }));
});

/** The text of metrics, by sample. */
class Metrics {
  readonly #samples: ReadonlyMap<string, number>;

  constructor(text: string) {
    const lines = text.matchAll(/^(?:redis_cluster_nat_)?(\w+(?:\{.*\})?) (\S+)$/gm);
    this.#samples = new Map(lines.map(([, name, value]) => [name!, Number(value)]));
  }

  /** The value of a sample; undefined if there is none. */
  sample(nameAndLabels: string): number | undefined {
    return this.#samples.get(nameAndLabels);
  }

  /** The sum of all samples of a metric. */
  sum(name: string): number {
    let sum = 0;
    for (const [sample, value] of this.#samples) if (sample.split("{")[0] === name) sum += value;
    return sum;
  }
}
