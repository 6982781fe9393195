import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { OperatorError } from "../../../src/platform/operator_error.ts";
import { type NatEntry, NatTable, type NatTableOptions } from "../../../src/nat/nat_table.ts";
import { createViews } from "../../../src/nat/public_view.ts";
import type { NodeRef } from "../../../src/cluster/node_ref.ts";
import type { TableChange } from "../../../src/nat/table_change.ts";
import type { ClusterView } from "../../../src/cluster/view.ts";
import { frontendOptions } from "../../../src/cli/start_proxy.ts";
import { WorkerPool } from "../../../src/workers/pool.ts";
import { END_TIMEOUT_MS } from "../../../src/workers/worker_threads.ts";
import { Statistics } from "../../../src/proxy/statistics.ts";
import { AnsweringNode } from "../../support/answering_node.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { bulk } from "../../support/frames.ts";
import { Logged } from "../../support/logged.ts";
import { Peer } from "../../support/peer.ts";
import { onLinux } from "../../support/platform.ts";
import { findFreePorts } from "../../support/ports.ts";
import { countListeners } from "../../support/processes.ts";
import { configOf } from "../../support/proxy.ts";
import { withTls } from "../../support/tls.ts";
import { unless } from "../../support/unless.ts";
import { until, within } from "../../support/until.ts";
import { idOf, line, seenBy, viewOf } from "../../support/views.ts";
import { wire, WireClient } from "../../support/wire.ts";
import { runInWorkers } from "./run_in_workers.ts";
import { AT } from "./threaded.ts";

const A = "a 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-16383";
const B = line("b", "10.0.0.2:7000");

/** A reference to a node by its id only. */
function named(digit: string): NodeRef {
  return { host: "", port: 0, id: idOf(digit) };
}

const PLAIN = withTls("either", "the pool of these tests has none");

const THREADS = 3;

/** With this many clients each of three threads has some, except once in ten million runs. */
const SOME = 42;

/** A NAT table whose nodes are served by several threads; gone when the block ends. */
class Scene implements AsyncDisposable {
  readonly natTable: NatTable;
  readonly pool: WorkerPool;
  /** Listens for a node in the main thread. */
  open = (node: NatEntry, port: number): number => this.pool.open(node, port);
  /** How often clients have reported a node that cannot be reached. */
  suspicions = 0;

  constructor(options: Partial<NatTableOptions> = {}) {
    this.natTable = new NatTable({
      firstPort: 0,
      maxNodes: 64,
      staticMappings: [],
      savedPorts: undefined,
      forgetAfterMs: 0,
      ...options,
    });
    const config = configOf(["--cluster-addr=10.0.0.1:7000", `--listen-addr=${AT}:0`]);
    this.pool = new WorkerPool({ threads: THREADS, frontend: frontendOptions(config) }, {
      natTable: this.natTable,
      views: createViews(config),
      nodeResolver: { resolve: (mention) => Promise.resolve(this.natTable.portOf(mention)) },
      readPublicPorts: () => Promise.resolve(),
      suspect: () => {
        this.suspicions++;
        return Promise.resolve();
      },
      isUp: () => true,
    });
  }

  /** A scene in which all threads listen for some nodes. */
  static async ready(lines = [A], options?: Partial<NatTableOptions>): Promise<Scene> {
    const scene = new Scene(options);
    scene.applyView(viewOf(lines));
    await scene.pool.ready();
    return scene;
  }

  /** The port that replies in the main thread may name for a node. */
  namedPort(digit: string): number | undefined {
    return this.pool.frontendContext.natTable.portOf(named(digit));
  }

  /** Checks that the pool fails soon. */
  async assertFails(message: string): Promise<void> {
    const failing = () => within("detect a lost worker", this.pool.failure, 10_000);
    await assertRejects(failing, OperatorError, message);
  }

  /** Applies changes as the proxy does. */
  apply(changes: readonly TableChange[]): void {
    for (const change of changes) {
      if (change.kind === "open") {
        this.natTable.portOpened(change.node, this.open(change.node, change.port));
      } else if (change.kind === "close") this.pool.close(change.node);
      else if (change.kind === "moved") this.pool.endSessions(change.node, "node_moved");
    }
    this.pool.update();
  }

  /** Applies a view. */
  applyView(view: ClusterView): void {
    this.apply(this.natTable.applyView(view));
  }

  /** Applies a view, and forgets the nodes long missing, as if they did not answer. */
  applyFinalView(view: ClusterView): void {
    this.applyView(view);
    for (const missing of this.natTable.longMissing) this.apply(this.natTable.forget(missing));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.pool.stopListening();
    const beganAtMs = performance.now();
    await this.pool.end();
    const tookMs = performance.now() - beganAtMs;
    assert(tookMs < END_TIMEOUT_MS, `The workers were waited for, ${tookMs} ms`);
  }
}

onLinux.test("replies name a node when all threads listen for it, and not earlier", async () => {
  await using scene = new Scene();
  const { natTable, pool: { frontendContext: { nodeResolver, natTable: known } } } = scene;
  for (const [digit, view] of [["a", viewOf([A])], ["b", viewOf([A, B])]] as const) {
    scene.applyView(view);
    const mention = named(digit);
    const port = natTable.portOf(mention)!;
    // Requests may name the node at once.
    assertEquals(known.atPort(port)?.id, idOf(digit));
    assertEquals(scene.namedPort(digit), undefined);
    const [from] = natTable.nodes;
    assertEquals(await nodeResolver.resolve(mention, from!, performance.now()), port);
    assertEquals([scene.namedPort(digit), countListeners(port)], [port, THREADS]);
  }

  const left = natTable.nodes[1]!;
  scene.applyFinalView(seenBy("a", viewOf([A])));
  assertEquals(natTable.nodes.length, 1);
  assertEquals(scene.namedPort("b"), undefined);
  await until("no thread listens for it", () => countListeners(left.listenPort) === 0);
});

onLinux.test("changes during an update are published with the last update", async () => {
  await using scene = new Scene();
  const { natTable, pool } = scene;
  scene.applyView(viewOf([A]));
  const first = pool.update();
  scene.applyView(viewOf([A, B]));
  await first;
  await pool.update();
  for (const { id, listenPort } of natTable.nodes) {
    assertEquals([scene.namedPort(id[0]!), countListeners(listenPort)], [listenPort, THREADS]);
  }
});

onLinux.test("a port that workers cannot open is named, and tried again", async () => {
  using logged = new Logged();
  await using scene = await Scene.ready();
  const { pool } = scene;
  const learn = async () => {
    scene.applyView(viewOf([A, B]));
    await pool.update();
  };
  // This listener does not share the port.
  const own = Deno.listen({ hostname: AT, port: 0 });
  const { port } = own.addr;
  scene.open = () => port;
  await learn();
  assertEquals(scene.namedPort("b"), port);
  await learn();
  const reason = `Cannot listen on ${AT}:${port}: the port is in use by another program; ` +
    "free it, or change --listen-addr or --port-map";
  const said = [
    `warning A thread cannot listen on a port that other threads serve; retrying: ${reason}`,
    "info All threads listen on all ports again",
  ];
  assertEquals(logged.lines, said.slice(0, 1));
  own.close();
  await learn();
  assertEquals(countListeners(port), THREADS - 1);
  assertEquals(logged.lines, said);
  await learn();
  assertEquals(logged.lines, said);
});

onLinux.test(
  unless(
    PLAIN,
    "the clients of a node that moves end in all threads, and report it if it is unreachable",
    async () => {
      await using scene = new Scene();
      const { natTable, pool } = scene;
      const peer = new Peer();
      scene.applyView(viewOf([line("a", peer.address, "myself,master")]));
      await pool.update();
      const node = natTable.nodes[0]!;
      using stack = new DisposableStack();
      const connect = async () => stack.use(await WireClient.connect(AT, node.listenPort));
      const clients = await Promise.all(Array.from({ length: SOME }, connect));
      await until("all clients have reached the node", () => peer.accepted === SOME);

      scene.apply(natTable.move(node, { host: AT, port: 1 }));
      const ends = await Promise.all(clients.map((client) => client.readToEnd()));
      assertEquals(ends, clients.map(() => ""));
      assertEquals(scene.suspicions, 0);
      // A client may see the end of its connection before the thread has counted it.
      await until("all threads have counted the ends", async () => {
        const reports = await pool.report();
        assertEquals(reports.map(({ thread }) => thread), [1, 2, 3]);
        const sum = new Statistics();
        for (const { statistics } of reports) sum.add(statistics);
        const { clients: open, accepted } = sum.at({ view: "default", port: node.listenPort });
        assertEquals([open, accepted, sum.ended.node_moved], [0, SOME, SOME]);
        return true;
      });
      await peer[Symbol.asyncDispose]();
      await pool.update();
      const late = await Promise.all(Array.from({ length: SOME }, connect));
      await Promise.all(late.map((client) => client.readToEnd()));
      await until("each client has reported the node", (saw) => {
        saw(scene.suspicions);
        return scene.suspicions === SOME;
      });
    },
  ),
);

onLinux.test("a released port can be assigned again at once", async () => {
  using logged = new Logged();
  await using scene = await Scene.ready([A, B], { firstPort: findFreePorts(2), maxNodes: 2 });
  const { natTable, pool } = scene;
  const { listenPort } = natTable.withId(idOf("b"))!;
  scene.applyFinalView(viewOf([A]));
  assertEquals(natTable.withId(idOf("b")), undefined);
  // The workers may not have handled the update.
  scene.applyView(viewOf([A, line("c", "10.0.0.3:7000")]));
  assertEquals(natTable.withId(idOf("c"))?.listenPort, listenPort);
  await pool.update();
  // A closed socket listens until the event loop of its thread continues.
  await until("all threads listen once", () => countListeners(listenPort) === THREADS);
  assertEquals(logged.lines.filter((line) => !line.startsWith("info")), []);
});

onLinux.test("workers that have stopped listening do not start again", async () => {
  await using scene = await Scene.ready();
  const { natTable, pool } = scene;
  const node = natTable.nodes[0]!;
  assertEquals(countListeners(node.listenPort), THREADS);
  pool.stopListening();
  // The NAT table may still change, because sessions continue.
  scene.apply(natTable.move(node, { host: "10.0.0.9", port: 7000 }));
  await pool.update();
  await until("no thread listens", () => countListeners(node.listenPort) === 0);
});

onLinux.test("workers that close themselves are detected, and not waited for", async () => {
  using _program = runInWorkers("leaving_worker.ts");
  using clock = new FakeClock("setInterval");
  await using scene = await Scene.ready();
  const { pool } = scene;
  scene.applyView(viewOf([A, B]));
  for (let times = 0; times < 13; times++) {
    clock.fire();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await scene.assertFails("Thread 2 of --threads has not answered for 120000 ms");
  await within("stop waiting", pool.update(), 10_000);
});

onLinux.test(
  unless(PLAIN, "clients that wait for a worker that hangs do not delay the end", async () => {
    using logged = new Logged();
    using _program = runInWorkers("scripted_worker.ts?hangs");
    await using node = new AnsweringNode();
    node.answers = { "CLIENT LIST": bulk("id=1 addr=10.0.0.99:1\n") };
    await using scene = await Scene.ready([line("a", node.address, "myself,master")]);
    const { natTable, pool } = scene;
    using client = await WireClient.connect(AT, natTable.nodes[0]!.listenPort);
    await client.send(wire("CLIENT", "LIST"));
    await logged.untilLines(THREADS - 1);
    assertEquals((await pool.report()).map(({ thread }) => thread), [1]);
    pool.stopListening();
    await within("end the pool", pool.end(), 10_000);
    assertEquals(await client.readToEnd(), "");
    assertEquals(logged.lines, ["info Asked", "info Asked"]);
  }),
);

onLinux.test("a worker that does not report in time counts with its last report", async () => {
  using _program = runInWorkers("scripted_worker.ts?late");
  await using scene = await Scene.ready();
  for (let times = 0; times < 2; times++) {
    const reports = await scene.pool.report();
    assertEquals(reports.map(({ statistics }) => statistics.unmapped), [0, 7, 7]);
  }
});

onLinux.test("workers that answer pings are not lost", async () => {
  using clock = new FakeClock("setInterval");
  await using scene = new Scene();
  const { pool } = scene;
  let failure: unknown;
  pool.failure.catch((error) => failure = error);
  for (let times = 0; times < 15; times++) {
    clock.fire();
    // Replies have the order of requests.
    scene.applyFinalView(viewOf(times % 2 === 0 ? [A] : [A, B]));
    await pool.update();
  }
  assertEquals(failure, undefined);
});

onLinux.test("a failure of a worker to handle a request is logged", async () => {
  using logged = new Logged();
  using _program = runInWorkers("scripted_worker.ts?fails");
  await using _scene = await Scene.ready();
  const fault = "failed to handle update: A fault\n    at some place";
  assertEquals(logged.lines, [2, 3].map((number) => `error Thread ${number} ${fault}`));
});

onLinux.test("a request about a removed node does not fail", async () => {
  using logged = new Logged();
  using _program = runInWorkers("scripted_worker.ts?asks");
  await using _scene = new Scene();
  const lines = await logged.untilLines(4 * (THREADS - 1));
  assertEquals(new Set(lines), new Set(["info Replied"]));
});

onLinux.test("workers that fail at their start are not waited for", async () => {
  using _program = runInWorkers("unable_worker.ts");
  await using scene = new Scene();
  scene.applyView(viewOf([A]));
  await scene.assertFails("of --threads has ended: Uncaught Error: There is no memory");
});

onLinux.test("no worker is left if one cannot be started", () => {
  const { Worker } = globalThis;
  const running = new Set<Worker>();
  globalThis.Worker = class extends Worker {
    constructor(program: URL | string, options?: WorkerOptions) {
      if (running.size === THREADS - 2) throw new Error("Resource temporarily unavailable");
      super(program, options);
      running.add(this);
    }

    override terminate() {
      running.delete(this);
      super.terminate();
    }
  };
  try {
    assertThrows(
      () => new Scene(),
      OperatorError,
      "Cannot start thread 3 of --threads: Resource temporarily unavailable",
    );
    assertEquals(running.size, 0);
  } finally {
    globalThis.Worker = Worker;
  }
});
