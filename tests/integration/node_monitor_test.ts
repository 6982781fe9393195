import { assert, assertEquals, assertMatch } from "@std/assert";
import type { NatEntry } from "../../src/nat/nat_table.ts";
import { NodeMonitor } from "../../src/proxy/node_monitor.ts";
import type { NodeMonitorActions } from "../../src/proxy/node_watch.ts";
import { dialerWith } from "../support/dialer.ts";
import { Logged } from "../support/logged.ts";
import { Peer, TcpPeer } from "../support/peer.ts";
import { findFreePorts } from "../support/ports.ts";
import { type TestConnection, withTls } from "../support/tls.ts";
import { unless } from "../support/unless.ts";
import { until } from "../support/until.ts";

const AT = "127.0.0.1";

interface SceneOptions {
  /** Whether the proxy itself listens where the node is said to be. */
  readonly isOwn?: boolean;
  readonly probesRegularly?: boolean;
}

/** A node that listens when a test says so, and what is done about it. */
class Scene implements Disposable {
  readonly done: { readonly what: string; readonly atMs: number }[] = [];
  readonly node: NatEntry;
  readonly monitor: NodeMonitor;
  readonly #logged = new Logged();
  readonly #listeners: Deno.Listener[] = [];

  constructor(actions: Partial<NodeMonitorActions> = {}, options: SceneOptions = {}) {
    const { isOwn = false, probesRegularly = true } = options;
    this.node = {
      id: "a",
      address: { host: AT, port: findFreePorts(1) },
      announced: [],
      role: "primary",
      busPort: undefined,
      peerPort: undefined,
      listenPort: 8000,
    };
    const note = (what: string) => {
      this.done.push({ what, atMs: performance.now() });
      return Promise.resolve();
    };
    this.monitor = new NodeMonitor({
      probesRegularly,
      dialer: dialerWith({}, { atPort: () => isOwn ? this.node : undefined }),
      actions: {
        closePort: () => note("close"),
        openPort: () => note("open").then(() => true),
        fail: () => note("fail"),
        requestRefresh() {},
        ...actions,
      },
    });
  }

  get lines(): readonly string[] {
    return this.#logged.lines;
  }

  /** What was done so far. */
  get deeds(): readonly string[] {
    return this.done.map(({ what }) => what);
  }

  listen(): void {
    this.#listeners.push(Deno.listen({ hostname: AT, port: this.node.address.port }));
  }

  refuse(): void {
    this.#listeners.splice(0).forEach((listener) => listener.close());
  }

  [Symbol.dispose](): void {
    this.monitor.stop();
    this.refuse();
    this.#logged[Symbol.dispose]();
  }
}

Deno.test("a node that comes and goes has its port opened once a second at most", async () => {
  using scene = new Scene();
  const { monitor, node, done } = scene;
  monitor.watch(node);
  await until("it was opened four times", async () => {
    scene.listen();
    await monitor.suspect(node);
    await new Promise((resolve) => setTimeout(resolve, 30));
    scene.refuse();
    await monitor.suspect(node);
    return done.filter(({ what }) => what === "open").length === 4;
  });
  assertEquals(scene.deeds, done.map((_, index) => index % 2 === 0 ? "close" : "open"));
  const openings = done.filter(({ what }) => what === "open");
  for (const [index, { atMs }] of openings.slice(1).entries()) {
    const tookMs = atMs - openings[index]!.atMs;
    assert(tookMs >= 1000, `It was opened again after ${tookMs} ms`);
  }
  assertEquals(scene.lines.length, done.length);
});

Deno.test("the cluster is asked for a node that is gone, less and less often", async () => {
  const askedAtMs: number[] = [];
  using scene = new Scene({ requestRefresh: () => askedAtMs.push(performance.now()) });
  const { monitor, node } = scene;
  monitor.watch(node);
  await until("it has been gone for a while", () => askedAtMs.at(-1)! - askedAtMs[0]! > 6000);
  const late = askedAtMs.filter((atMs) => atMs - askedAtMs[0]! > 3000);
  const early = askedAtMs.length - late.length;
  assert(early > late.length, `${early} times in 3 s, then ${late.length} times`);
  assert(late.length <= 6, `${late.length} times`);
});

Deno.test("a node that is gone is suspected in vain while it is known to be", async () => {
  using scene = new Scene();
  const { monitor, node } = scene;
  monitor.watch(node);
  for (let time = 0; time < 10; time++) await monitor.suspect(node);
  assertEquals(scene.deeds, ["close"]);
  assertEquals([monitor.isUp(node), monitor.stateOf(node)?.status], [false, "refusing"]);
});

Deno.test("a node that the cluster calls failed has to answer before its port is opened", async () => {
  using scene = new Scene();
  const { monitor, node } = scene;
  // It takes connections, and answers none.
  scene.listen();
  monitor.watch(node);
  await monitor.suspect(node);
  assert(monitor.isUp(node));
  await monitor.confirmFailure(node);
  assertEquals([scene.deeds, monitor.stateOf(node)?.status], [["fail"], "failed"]);
  scene.refuse();
  await using _server = new Peer({ answer: "-NOAUTH\r\n", port: node.address.port });
  await until("it is opened", () => monitor.isUp(node));
  await monitor.confirmFailure(node);
  assertEquals(scene.deeds, ["fail", "open"]);
});

Deno.test("a node is probed no more when the monitor is stopped", async () => {
  using scene = new Scene();
  const { monitor, node, done } = scene;
  scene.listen();
  monitor.watch(node);
  await monitor.suspect(node);
  const suspected = monitor.suspect(node);
  monitor.stop();
  await suspected;
  scene.refuse();
  await monitor.suspect(node);
  assertEquals(done, []);
});

Deno.test("a port of the proxy itself is not probed, and closed", async () => {
  using scene = new Scene({}, { isOwn: true });
  const { monitor, node } = scene;
  await using peer = new Peer({ port: node.address.port });
  monitor.watch(node);
  await monitor.suspect(node);
  await monitor.confirmFailure(node);
  assertEquals(scene.deeds, ["close", "fail"]);
  assertMatch(scene.lines[0]!, /is a port of this proxy; check cluster-announce-ip/);
  assertEquals(peer.accepted, 0);
});

Deno.test(
  unless(
    withTls("nodes", "probes stay open"),
    "a probe is a client of the node for a moment only, and one serves many suspicions",
    async () => {
      using scene = new Scene({}, { probesRegularly: false });
      const { monitor, node, done } = scene;
      const staysMs: number[] = [];
      class Timer extends TcpPeer {
        protected override async talk(connection: TestConnection): Promise<void> {
          const sinceMs = performance.now();
          assertEquals(await connection.read(new Uint8Array(1)), null);
          staysMs.push(performance.now() - sinceMs);
        }
      }
      await using _timer = new Timer({ port: node.address.port });
      monitor.watch(node);
      for (let time = 0; time < 10; time++) {
        await Promise.all(Array.from({ length: 5 }, () => monitor.suspect(node)));
      }
      await until("all probes were seen", () => staysMs.length === 10);
      assert(Math.min(...staysMs) < 5, `The shortest took ${Math.min(...staysMs)} ms`);
      assertEquals(done, []);
    },
  ),
);
