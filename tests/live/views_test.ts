import { assert, assertEquals } from "@std/assert";
import type { Place } from "../support/cluster_places.ts";
import { Server } from "../support/cluster_node.ts";
import { startInnerCluster } from "../support/inner_cluster.ts";
import { Namespace } from "../support/namespace.ts";
import { NatProcess } from "../support/nat_process.ts";
import { Program, run } from "../support/program.ts";
import { TemporaryDirectory } from "../support/temporary.ts";
import { connectSides, NODES, PROXY, SPARE } from "../support/three_sides.ts";
import { withTls } from "../support/tls.ts";
import { until } from "../support/until.ts";
import { LOAD_CLIENT, LoadProcess } from "./load_process.ts";
import { CLIENTS, testLive } from "./scene.ts";

/** As in the documents. */
const FIRST = { inside: 8000, outside: 9000 };

/** Seven nodes, and one port that is left. */
const MAX_NODES = 8;

/** A node timeout and an election, and starts of programs on a busy machine. */
const DEADLINE_MS = 60_000;

/** A client that keeps a port that is gone retries after growing pauses. */
const LONGEST_GAP_MS = 40_000;

testLive(
  "clients of two networks, each in its view, outlast a failover, growth and a restart",
  async (t) => {
    await using stack = new AsyncDisposableStack();
    const sides = await connectSides(stack, LOAD_CLIENT);
    const { inside, between } = sides;
    await using cluster = await startInnerCluster(inside, NODES);
    const directory = stack.use(await TemporaryDirectory.create());
    // ioredis begins anew with its seed when it has lost all nodes, so that one stays up.
    const [seed, dying] = cluster.nodes as [Place, Place];
    const start = () =>
      new NatProcess([
        ...[`--cluster-addr=${seed.host}:${seed.port}`, `--max-nodes=${MAX_NODES}`],
        ...[`--listen-addr=${PROXY.private}:${FIRST.inside}`, `--public-host=${PROXY.private}`],
        `--view=outside=${PROXY.public}:${FIRST.outside},${PROXY.public}`,
        ...[`--state-file=${directory.at("state.json")}`, "--refresh-interval=250ms"],
      ], { before: between.before, orderly: true }).ready();
    let proxy = stack.use(await start());

    const views = { inside: PROXY.private, outside: PROXY.public };
    const clients = await Promise.all(
      (["inside", "outside"] as const).flatMap((side) =>
        (Object.keys(CLIENTS) as (keyof typeof CLIENTS)[]).map(async (kind) => {
          const place = { kind, before: sides[side].before };
          const seed = { host: views[side], port: FIRST[side] };
          const load = await LoadProcess.start(`${kind} ${side}`, [seed], place);
          return { side, load: stack.use(load) };
        })
      ),
    );

    const cli = async (...words: string[]) =>
      (await run([...inside.before, "redis-cli", ...words])).output;
    const untilWhole = (what: string, { host, port } = seed) =>
      until(what, async (saw) => {
        const info = await cli("-h", host, "-p", `${port}`, "CLUSTER", "INFO");
        saw(info);
        return /cluster_state:ok[^]*cluster_slots_ok:16384/.test(info);
      }, DEADLINE_MS);

    await t.step("a primary dies and its replica takes over", async () => {
      await cli("-h", dying.host, "-p", `${dying.port}`, "SHUTDOWN", "NOSAVE");
      await until("its replica is a primary", async (saw) => {
        const nodes = await cli("-h", seed.host, "-p", `${seed.port}`, "CLUSTER", "NODES");
        saw(nodes);
        return nodes.split("\n").some((line) => line.includes(dying.host) && /fail -/.test(line)) &&
          nodes.split("\n").filter((line) => /master - .* \d+-\d+$/.test(line)).length === 3;
      }, DEADLINE_MS);
      await untilWhole("the cluster is whole after the failover");
    });

    await t.step("a node joins and gets slots", async () => {
      const { path } = await Server.find();
      const port = 7006;
      stack.use(
        new Program([
          ...[...inside.before, path, "--port", `${port}`, "--bind", SPARE, "--save", ""],
          // All nodes are in one namespace, whose first address would be that of its connections.
          ...["--cluster-announce-ip", SPARE],
          ...["--cluster-enabled", "yes", "--dir", directory.at("."), "--protected-mode", "no"],
        ]),
      );
      await until("it answers", async () => {
        return (await cli("-h", SPARE, "-p", `${port}`, "PING")).includes("PONG");
      }, DEADLINE_MS);
      const at = `${seed.host}:${seed.port}`;
      await cli("-h", seed.host, "-p", `${seed.port}`, "CLUSTER", "MEET", SPARE, `${port}`);
      await untilWhole("the new node has joined", { host: SPARE, port });
      const idOf = async (host: string, port: number) =>
        (await cli("-h", host, "-p", `${port}`, "CLUSTER", "MYID")).trim();
      const [from, to] = [await idOf(seed.host, seed.port), await idOf(SPARE, port)];
      await until("its slots have moved", async (saw) => {
        const output = await cli(
          ...["--cluster", "reshard", at, "--cluster-yes", "--cluster-slots", "100"],
          ...["--cluster-from", from, "--cluster-to", to],
        );
        saw(output);
        const nodes = await cli("-h", SPARE, "-p", `${port}`, "CLUSTER", "NODES");
        return /myself,master - .* \d+-\d+$/m.test(nodes);
      }, DEADLINE_MS);
      await untilWhole("the cluster is whole after the growth");
      await until("the proxy listens for it", (saw) => {
        saw(proxy.stdout);
        return proxy.mapping.has(`${SPARE}:${port}`);
      }, DEADLINE_MS);
    });

    await t.step("the proxy restarts, with the same ports in both views", async () => {
      const before = new Map(proxy.mapping);
      await proxy[Symbol.asyncDispose]();
      proxy = stack.use(await start());
      assertEquals(proxy.mapping.get(`${SPARE}:7006`), before.get(`${SPARE}:7006`));
      for (const [address, port] of proxy.mapping) {
        assertEquals(before.get(address), port);
        const line = `${PROXY.public}:${port - FIRST.inside + FIRST.outside} proxy to: ${address}`;
        assert(proxy.stdout.includes(`Listening on: ${line} view: outside\n`), proxy.stdout);
      }
    });

    await t.step("all clients write again, and know addresses of their view only", async () => {
      const reports = await Promise.all(clients.map(async ({ side, load }) => {
        return { side, name: load.name, report: await load.stop() };
      }));
      for (const { side, name, report } of reports) {
        const { addresses, acknowledged, longestGapMs, flows, hung, errors } = report;
        const gap = Math.round(longestGapMs);
        console.log(
          `${name}: ${acknowledged} writes, longest gap ${gap} ms, ` +
            `${addresses.length} addresses, errors ${JSON.stringify(errors)}`,
        );
        const shown = Array.from(
          { length: MAX_NODES },
          (_, index) => `${views[side]}:${FIRST[side] + index}`,
        );
        assertEquals(new Set(addresses).difference(new Set(shown)), new Set());
        assertEquals(hung, []);
        assert(flows && acknowledged > 0 && longestGapMs < LONGEST_GAP_MS);
      }
    });
  },
  await Namespace.hindrance() ?? withTls("either", "its cluster has other certificates"),
);
