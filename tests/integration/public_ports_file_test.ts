import { assert, assertEquals, assertMatch } from "@std/assert";
import { PublicPortsFile } from "../../src/nat/public_ports_file.ts";
import { PublicView } from "../../src/nat/public_view.ts";
import { RedisCluster } from "../support/cluster.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { Forwarder } from "../support/forwarder.ts";
import { Logged } from "../support/logged.ts";
import { namedInSlots } from "../support/named_nodes.ts";
import { NatProcess } from "../support/nat_process.ts";
import { findFreePorts } from "../support/ports.ts";
import { startProxy } from "../support/proxy.ts";
import { TemporaryDirectory } from "../support/temporary.ts";
import { until } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";
import { IoredisClient } from "./clients/ioredis.ts";
import { NodeRedisClient } from "./clients/node_redis.ts";

const SOURCE = "--public-ports-file";

const USED = `info Clients are shown the public ports in the file of ${SOURCE}`;

/** A file that is followed, with two listeners. */
class Scene implements AsyncDisposable {
  readonly path: string;
  readonly #directory: TemporaryDirectory;
  readonly #view = new PublicView({
    name: "default",
    listen: { host: "", port: 8000 },
    publicHost: "nat.example",
    awaitsPublicPorts: true,
  });
  readonly #clock = new FakeClock("setInterval");
  readonly #logged = new Logged();
  #file!: PublicPortsFile;
  /** What was seen of the ports each time they changed. */
  #changes: string[] = [];

  private constructor(directory: TemporaryDirectory) {
    this.#directory = directory;
    this.path = directory.at("ports");
  }

  static async create(): Promise<Scene> {
    return new Scene(await TemporaryDirectory.create());
  }

  at(name: string): string {
    return this.#directory.at(name);
  }

  write(text: string, name = "ports"): void {
    Deno.writeTextFileSync(this.at(name), text);
  }

  /** Begins to follow the file. */
  async start(): Promise<void> {
    const file = { path: this.path, source: SOURCE };
    const onChange = () => this.#changes.push(this.ports);
    this.#file = (await PublicPortsFile.follow(file, this.#view, onChange))!;
    assertEquals(this.#clock.timers.map(({ delayMs }) => delayMs), [500]);
  }

  /** Reads it as for a client. */
  async readNow(): Promise<void> {
    await this.#file.readNow();
  }

  /** The public ports of both listeners. */
  get ports(): string {
    return [8000, 8001].map((port) => this.#view.publicPort(port) ?? "?").join(" ");
  }

  /** The next two reads: the ports after each, where they change, and what is logged. */
  async next(): Promise<[changes: string[], lines: string[]]> {
    this.#changes = [];
    this.#logged.lines.length = 0;
    for (let read = 0; read < 2; read++) {
      await this.#file.poll();
      this.#file.report([8000, 8001]);
    }
    return [this.#changes, this.#logged.lines.map((line) => line.replaceAll(this.path, "PATH"))];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.stop();
    this.#logged[Symbol.dispose]();
    this.#clock[Symbol.dispose]();
    await this.#directory[Symbol.asyncDispose]();
  }
}

const lacking = (ports: string, reason: string) =>
  `warning Clients get CLUSTERDOWN instead of port ${ports}, whose public port is not known yet: ` +
  reason;

Deno.test("public ports are those of the file when it appears, and when it changes", async () => {
  await using scene = await Scene.create();
  await scene.start();
  assertEquals(scene.ports, "? ?");
  const missing = `the file of ${SOURCE} 'PATH' does not exist yet`;
  assertEquals(await scene.next(), [[], [lacking("8000, 8001", missing)]]);
  assertEquals(await scene.next(), [[], []], "it is logged once");
  scene.write("8000 31000\n");
  const incomplete = `the file of ${SOURCE} 'PATH' has no line for it`;
  assertEquals(await scene.next(), [["31000 ?"], [USED, lacking("8001", incomplete)]]);
  assertEquals(await scene.next(), [[], []], "it is logged once");
  scene.write("8000 31000\n8001 31001\n");
  const known = "info The public ports of all nodes are known";
  assertEquals(await scene.next(), [["31000 31001"], [USED, known]]);
  scene.write("8001 31000\n");
  assertEquals(await scene.next(), [["? 31000"], [USED, lacking("8000", incomplete)]]);
});

Deno.test("a file of public ports that cannot be used leaves the old ones", async () => {
  await using scene = await Scene.create();
  scene.write("8000 31000\n8001 31001\n");
  await scene.start();
  assertEquals(await scene.next(), [[], []]);
  const kept = "the previous public ports stay in use";
  const bad = [
    ["8000 8001 8002\n", "line 1 has another form; expected the port of a listener and its .*"],
    ["8000 31000\n8001 31000\n", "lines 1 and 2 have the same public port; expected each once"],
    ["", "it has no line yet; expected .*"],
  ];
  for (const [text, reason] of bad) {
    scene.write(text!);
    const [changes, lines] = await scene.next();
    assertEquals([changes, lines.length, scene.ports], [[], 1, "31000 31001"], lines.join("\n"));
    assertMatch(
      lines[0]!,
      new RegExp(`^warning Cannot use the file of ${SOURCE} 'PATH': ${reason}; ${kept}$`),
    );
    assertEquals(await scene.next(), [[], []], "it is logged once");
  }
  Deno.removeSync(scene.path);
  const [, [line]] = await scene.next();
  assertMatch(line!, new RegExp(`^warning Cannot read the file of ${SOURCE}: .*; ${kept}$`));
  scene.write("8000 31001\n8001 31000\n");
  assertEquals(await scene.next(), [["31001 31000"], [USED]]);
});

Deno.test("a file of public ports that is half written shows no wrong number", async () => {
  await using scene = await Scene.create();
  scene.write("8000 31000\n8001 31");
  await scene.start();
  assertEquals(scene.ports, "? ?");
  scene.write("8000 31000\n8001 310");
  // Clients read it at any time, which says nothing about whether it is complete.
  for (let times = 0; times < 3; times++) await scene.readNow();
  assertEquals(scene.ports, "? ?");
  scene.write("8000 31000\n8001 31001");
  // The second read finds that nobody is writing it.
  assertEquals(await scene.next(), [["31000 31001"], [
    lacking(
      "8000, 8001",
      `Cannot use the file of ${SOURCE} 'PATH': its last line has no line break, so it may be ` +
        "half written",
    ),
    USED,
    "info The public ports of all nodes are known",
  ]]);
});

Deno.test("a file of public ports may be replaced by a rename, or by a link above it", async () => {
  await using scene = await Scene.create();
  for (const name of ["one", "two"]) Deno.mkdirSync(scene.at(name));
  scene.write("8000 1\n8001 2\n", "one/list");
  scene.write("8000 3\n8001 4\n", "two/list");
  scene.write("8000 5\n8001 6\n", "file");
  Deno.symlinkSync("one", scene.at("data"));
  Deno.symlinkSync("data/list", scene.path);
  await scene.start();
  assertEquals(scene.ports, "1 2");
  Deno.symlinkSync("two", scene.at("next"));
  Deno.renameSync(scene.at("next"), scene.at("data"));
  assertEquals(await scene.next(), [["3 4"], [USED]]);
  Deno.renameSync(scene.at("file"), scene.path);
  assertEquals(await scene.next(), [["5 6"], [USED]]);
});

const CLIENTS = { "ioredis": IoredisClient.connect, "node-redis": NodeRedisClient.connect };

const KEYS = Array.from({ length: 50 }, (_, index) => `key:${index}`);

const HOST = "127.0.0.1";

Deno.test("random ports in front of the proxy are shown once the file has them", async (t) => {
  await using cluster = await RedisCluster.start({ replicasEach: 0 });
  const count = cluster.nodes.length;
  for (const threads of [1, 2]) {
    await t.step(`with ${threads} threads`, async () => {
      await using directory = await TemporaryDirectory.create();
      const path = directory.at("ports");
      const listen = findFreePorts(count);
      await using _proxy = await startProxy(cluster, {
        listen: { host: HOST, port: listen },
        maxNodes: count,
        publicPortsFile: { path, source: SOURCE },
        awaitsPublicPorts: true,
        threads,
      });
      // The forwards change as those of a container that restarts.
      for (const round of ["first", "second"]) {
        await using forwarder = new Forwarder({ from: 0, to: listen }, count);
        const lines = forwarder.ports.map((port, index) => `${listen + index} ${port}\n`);
        const shown = new Set(forwarder.ports.map((port) => `${HOST}:${port}`));
        if (round === "first") await assertAllShown(forwarder.ports, undefined);
        await Deno.writeTextFile(path, lines.join(""));
        // Clients who need the first ports get them at once.
        if (round === "first") await assertAllShown(forwarder.ports, shown);
        else await until("all threads show the ports", () => areAllShown(forwarder.ports, shown));
        for (const connect of Object.values(CLIENTS)) {
          await using client = await connect({
            host: HOST,
            port: forwarder.ports[0]!,
            protocol: 3,
          });
          for (const key of KEYS) {
            assertEquals(String(await client.command(key, "SET", key, round)), "OK");
            assertEquals(String(await client.command(key, "GET", key)), round);
          }
          const { addresses } = client;
          assert(addresses.every((address) => shown.has(address)), addresses.join(" "));
        }
      }
    });
  }

  await t.step("stdout has the lines of nodes again when their public ports change", async () => {
    await using directory = await TemporaryDirectory.create();
    const listen = findFreePorts(count);
    const path = directory.at("ports");
    await using nat = new NatProcess([
      `--cluster-addr=${cluster.nodes[0]!.address}`,
      `--listen-addr=${HOST}:${listen}`,
      `--public-ports-file=${path}`,
      `--threads=${Deno.build.os === "linux" ? 2 : 1}`,
    ]);
    await nat.untilLogged(/Ready/);
    const printed: (string | number)[] = Array(count).fill("not known yet");
    const write = async (ports: readonly number[]) => {
      const lines = ports.map((port, index) => `${listen + index} ${port}\n`);
      await Deno.writeTextFile(path, lines.join(""));
    };
    const untilPrinted = () =>
      until("the lines are printed", (saw) => {
        const ports = [...nat.stdout.matchAll(/public port: (.*)$/gm)].map(([, port]) => port);
        saw(ports);
        return ports.join() === printed.join();
      });
    await untilPrinted();
    await write([31000, 31001, 31002]);
    printed.push(31000, 31001, 31002);
    await untilPrinted();
    await write([31000, 32001, 31002]);
    printed.push(32001);
    await untilPrinted();
    await write([31000, 31001]);
    printed.push(31001, "not known yet");
    await untilPrinted();
  });

  await t.step("--check has them, and fails if the file cannot be used", async () => {
    await using directory = await TemporaryDirectory.create();
    const listen = findFreePorts(count);
    const path = directory.at("ports");
    const flags = [
      `--cluster-addr=${cluster.nodes[0]!.address}`,
      `--listen-addr=${HOST}:${listen}`,
      `--public-ports-file=${path}`,
    ];
    const check = async () => {
      await using nat = new NatProcess(["--check", ...flags]);
      return await nat.ended();
    };
    const missing = await check();
    assertEquals([missing.code, missing.stdout.match(/public port: not known yet$/gm)?.length], [
      0,
      count,
    ]);
    assertMatch(missing.stderr, /instead of port .* the file of .* does not exist yet/);
    await Deno.writeTextFile(path, `${listen} 31000\n${listen + 1} 31001\n${listen + 2} 31002`);
    const complete = await check();
    assertEquals([complete.code, complete.stdout.match(/public port: 3100\d$/gm)?.length], [
      0,
      count,
    ]);
    await Deno.writeTextFile(path, `${listen}=31000\n`);
    const bad = await check();
    assertEquals([bad.code, bad.stdout], [1, ""]);
    assertMatch(bad.stderr, /Cannot use the file of .*: line 1 has another form; expected/);
  });
});

async function areAllShown(ports: readonly number[], shown: ReadonlySet<string>): Promise<boolean> {
  try {
    await assertAllShown(ports, shown);
    return true;
  } catch {
    return false;
  }
}

/** How many connections reach each thread, almost certainly. */
const CONNECTIONS = 8;

/** Checks that CLUSTER SLOTS names certain addresses, or none, whichever thread answers. */
async function assertAllShown(
  ports: readonly number[],
  shown: ReadonlySet<string> | undefined,
): Promise<void> {
  for (let connection = 0; connection < CONNECTIONS; connection++) {
    using client = await WireClient.connect(HOST, ports[connection % ports.length]!);
    const reply = await client.ask("CLUSTER", "SLOTS");
    if (shown === undefined) {
      assertEquals(reply, {
        type: "-",
        text: "CLUSTERDOWN The proxy has no port for a node of this reply",
      });
    } else {
      const named = namedInSlots(reply).map(({ port, hosts }) => `${hosts[0]}:${port}`);
      assertEquals(new Set(named), shown);
    }
  }
}
