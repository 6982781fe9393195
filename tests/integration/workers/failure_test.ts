import { assert, assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { RedisCluster } from "../../support/cluster.ts";
import { runNat } from "../../support/nat_process.ts";
import { onLinux } from "../../support/platform.ts";
import { findFreePorts } from "../../support/ports.ts";
import { TLS_DIRECTORY } from "../../support/tls.ts";
import { AT, connectIn, threadedNat } from "./threaded.ts";

const FAULTY = fileURLToPath(new URL("./faulty_threads.ts", import.meta.url));

onLinux.test("workers that fail, or cannot start", async (t) => {
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const node = cluster.nodes[0]!;
  const flags = [`--cluster-addr=${node.address}`, `--listen-addr=${AT}:0`, "--threads=2"];

  await t.step("an uncaught error is logged, and the program ends with a worker", async () => {
    const options = ["-A", `--preload=${FAULTY}`];
    await using nat = await threadedNat(node, ["--log-format=text"], { options }).ready();
    await using json = await threadedNat(node, [], { options }).ready();
    using client = await connectIn(2, json, json.portOf(node));
    const faults: [Deno.Signal, RegExp][] = [
      ["SIGUSR1", /"message":"Uncaught error: Error: A promise that nobody awaits.*"thread":2/],
      ["SIGUSR2", /"message":"Uncaught error: Error: A timer that nobody watches.*"thread":2/],
    ];
    for (const [signal, line] of faults) {
      json.signal(signal);
      await json.untilLogged(line);
      assertEquals(await client.ask("PING"), { type: "+", text: "PONG" });
    }
    for (const one of [json, nat]) one.signal("SIGHUP");
    assertEquals(await client.readToEnd(), "");
    const ends: [typeof nat, RegExp][] = [
      [
        nat,
        /^redis-cluster-nat: Thread 2 of --threads has ended: .*An error that ends the thread\n/m,
      ],
      [json, /"level":"error","message":"Thread 2 of --threads has ended: /],
    ];
    for (const [ended, message] of ends) {
      const { code, stderr } = await ended.ended();
      assertEquals(code, 1, stderr);
      assertMatch(stderr, message);
    }
  });

  await t.step("no start without a permission of a worker", async () => {
    const options = ["--no-prompt", "--allow-net", "--allow-env"];
    if (TLS_DIRECTORY !== undefined) options.push(`--allow-read=${TLS_DIRECTORY}`);
    const { code, stdout, stderr } = await runNat(flags, { options });
    assertEquals([code, stdout], [1, ""], stderr);
    assertMatch(stderr, /^redis-cluster-nat: Thread 2 .* has ended: .* --allow-read .*\n/m);
  });

  await t.step("no start if a worker cannot listen", async () => {
    // Enough file descriptors to load the modules of two threads, and for the listeners of one.
    const [limit, count] = [400, 220];
    const first = findFreePorts(count);
    const pins = Array.from({ length: count }, (_, at) => `127.0.0.2:${at + 1}=${first + at}`);
    // Without regular probes the ports stay open, although their nodes refuse connections.
    const args = [...flags, `--port-map=${pins}`, "--refresh-interval=0"];
    const before = ["prlimit", `--nofile=${limit}:${limit}`];
    const { code, stdout, stderr } = await runNat(args, { before });
    assertEquals([code, stdout], [1, ""], stderr);
    assertMatch(stderr, /^redis-cluster-nat: Cannot listen on \S+:\d+: Too many open files .*\n$/m);
    assert(!stderr.includes("retrying"), stderr);
  });

  await t.step("a port that threads share is not shared with another program", async () => {
    await using nat = await threadedNat(node).ready();
    const at = `${AT}:${nat.portOf(node)}`;
    for (const threads of [1, 2]) {
      const args = [flags[0]!, `--listen-addr=${at}`, `--threads=${threads}`];
      const { code, stderr } = await runNat(args);
      assertEquals(code, 1, stderr);
      assert(stderr.includes(`Cannot listen on ${at}: the port is in use`), stderr);
    }
  });
});
