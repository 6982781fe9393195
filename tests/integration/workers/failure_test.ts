import { assert, assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { RedisCluster } from "../../support/cluster.ts";
import { runNat } from "../../support/nat_process.ts";
import { findFreePorts } from "../../support/ports.ts";
import { ScriptedNode } from "../../support/scripted_node.ts";
import { askIn, AT, connectIn, ON_LINUX, startScripted, threadedNat } from "./threaded.ts";

const FAULTY = fileURLToPath(new URL("./faulty_threads.ts", import.meta.url));

Deno.test(
  "an uncaught error in a worker is logged, and the worker goes on",
  ON_LINUX,
  async () => {
    await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
    const node = cluster.nodes[0]!;
    const options = ["-A", `--preload=${FAULTY}`];
    await using nat = await threadedNat(node, ["--log-format=text"], { options }).ready();
    await using json = await threadedNat(node, [], { options }).ready();
    using client = await connectIn(2, json, json.mapping.get(node.address)!);
    const faults: [Deno.Signal, RegExp][] = [
      [
        "SIGUSR1",
        /"message":"Uncaught error: Error: A promise that nobody awaits.*"thread":2/,
      ],
      [
        "SIGUSR2",
        /"message":"Uncaught error: Error: A timer that nobody watches.*"thread":2/,
      ],
    ];
    for (const [signal, line] of faults) {
      json.signal(signal);
      await json.untilLogged(line);
      assertEquals(await client.ask("PING"), { type: "+", text: "PONG" });
    }

    // If a worker ends, the program ends.
    for (const one of [json, nat]) one.signal("SIGHUP");
    assertEquals(await client.readToEnd(), "");
    const { code, stderr } = await nat.ended();
    assertEquals(code, 1, stderr);
    assertMatch(
      stderr,
      /^redis-cluster-nat: Thread 2 of --threads has ended: .*An error that ends the thread\n/m,
    );
    const last = await json.ended();
    assertEquals(last.code, 1, last.stderr);
    assertMatch(last.stderr, /"level":"error","message":"Thread 2 of --threads has ended: /);
  },
);

Deno.test("a thread that ends during shutdown is logged", ON_LINUX, async () => {
  await using node = await ScriptedNode.start();
  const options = ["-A", `--preload=${FAULTY}`];
  await using nat = await startScripted(node, ["--shutdown-grace=60s"], { options });
  const pairs = await askIn([1, 2], nat, node);
  nat.signal("SIGTERM");
  await nat.untilLogged(/"Stopping"/);
  nat.signal("SIGHUP");
  const { code, stderr } = await nat.ended();
  assertEquals(code, 1, stderr);
  assertMatch(stderr, /"level":"error","message":"Thread 2 of --threads has ended: /);
  assert(!stderr.includes("have not ended"), stderr);
  for (const { client } of pairs) client.close();
});

Deno.test("the program does not start if a worker cannot start", ON_LINUX, async () => {
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const { code, stdout, stderr } = await runNat(
    [`--cluster-addr=${cluster.nodes[0]!.address}`, `--listen-addr=${AT}:0`, "--threads=2"],
    { options: ["--no-prompt", "--allow-net", "--allow-env"] },
  );
  assertEquals([code, stdout], [1, ""], stderr);
  assertMatch(stderr, /^redis-cluster-nat: Thread 2 of --threads has ended: .* --allow-read .*\n/m);
});

Deno.test(
  "the program does not start if a worker cannot listen",
  ON_LINUX,
  async () => {
    await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
    // Enough file descriptors to load the modules of two threads, and for the listeners of one.
    const [limit, count] = [400, 220];
    const first = findFreePorts(count);
    const pins = Array.from({ length: count }, (_, at) => `127.0.0.2:${at + 1}=${first + at}`);
    const { code, stdout, stderr } = await runNat([
      `--cluster-addr=${cluster.nodes[0]!.address}`,
      `--listen-addr=${AT}:0`,
      `--port-map=${pins}`,
      // Without regular probes the ports stay open, although their nodes refuse connections.
      "--refresh-interval=0",
      "--threads=2",
    ], { before: ["prlimit", `--nofile=${limit}:${limit}`] });
    assertEquals([code, stdout], [1, ""], stderr);
    assertMatch(
      stderr,
      /^redis-cluster-nat: Cannot listen on 127\.0\.0\.1:\d+: Too many open files .*\n$/m,
    );
    assert(!stderr.includes("retrying"), stderr);
  },
);

Deno.test("a port that threads share is not shared with another program", ON_LINUX, async () => {
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const node = cluster.nodes[0]!;
  await using nat = await threadedNat(node).ready();
  const port = nat.mapping.get(node.address)!;
  for (const threads of [1, 2]) {
    const { code, stderr } = await runNat([
      `--cluster-addr=${node.address}`,
      `--listen-addr=${AT}:${port}`,
      `--threads=${threads}`,
    ]);
    assertEquals(code, 1, stderr);
    assert(stderr.includes(`Cannot listen on ${AT}:${port}: the port is in use`), stderr);
  }
});
