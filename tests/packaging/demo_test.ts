import { assertEquals, assertMatch } from "@std/assert";
import { formatHostPort, type HostPort } from "../../src/platform/address.ts";
import project from "../../deno.json" with { type: "json" };
import { ROOT } from "../support/compiler.ts";
import { Program, run } from "../support/program.ts";
import { TemporaryDirectory } from "../support/temporary.ts";
import { until } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";

/** A cluster forms in about 3 s; a loaded machine with two cores may take several times that. */
const START_DEADLINE_MS = 60_000;

const MAPPING = /^ {2}(\S+:\d+) +-> +(127\.0\.0\.1:\d+) +(primary|replica)$/gm;

const PROOF = /^ {2}(\w+) +(\w+) +slot (\d+) +at (\S+)$/gm;

Deno.test("the demo serves the cluster it prints until Ctrl-C, and leaves nothing", async () => {
  await using demo = await Demo.run();
  const [, port] = await demo.until(
    "serves",
    () => /redis-cli -c -p (\d+)\n/.exec(demo.stdout),
    START_DEADLINE_MS,
  );
  const servers = await demo.servers();

  const mapping = [...demo.stdout.matchAll(MAPPING)];
  assertEquals(mapping.map(([, address]) => address).sort(), servers.map(formatHostPort).sort());
  assertEquals(mapping[0]![2], `127.0.0.1:${port}`);
  const primaries = mapping.filter(([, , , role]) => role === "primary").map(([, , at]) => at);
  assertEquals([mapping.length, primaries.length], [6, 3]);

  const proof = [...demo.stdout.matchAll(PROOF)];
  assertEquals(proof.map(([, , , , at]) => at).sort(), primaries.sort());
  using client = await WireClient.connect("127.0.0.1", Number(port));
  for (const [, key, value, slot, at] of proof) {
    await client.send(`GET ${key}\r\n`);
    const answer = await client.readUntil("\r\n");
    if (at === `127.0.0.1:${port}`) {
      assertEquals(answer + await client.readUntil("\r\n"), `$${value!.length}\r\n${value}\r\n`);
    } else {
      assertEquals(answer, `-MOVED ${slot} ${at}\r\n`);
    }
  }

  demo.pressCtrlC();
  await demo.assertEnds();
  await demo.assertNothingLeft(servers);
});

for (const signal of ["Ctrl-C", "SIGTERM"] as const) {
  Deno.test(`the demo leaves nothing when a ${signal} stops it while it starts`, async () => {
    await using demo = await Demo.run();
    const servers = await demo.untilServers();
    // Its servers do not get a SIGTERM.
    if (signal === "SIGTERM") demo.signal("SIGTERM");
    else demo.pressCtrlC();
    await demo.assertEnds();
    await demo.assertNothingLeft(servers);
  });
}

Deno.test("the demo uses other ports, and reports it, when its own are in use", async () => {
  using _taken = take(8000);
  await using demo = await Demo.run(["--once"]);
  await demo.assertEnds();
  assertMatch(demo.stdout, /^Ports 8000 to 8005 are not all free, so the proxy takes others\.$/m);
  assertEquals([...demo.stdout.matchAll(PROOF)].length, 3, demo.stdout);
  await demo.assertNothingLeft([]);
});

Deno.test("the demo names what to install when there is no server", async () => {
  await using demo = await Demo.run([], { PATH: "/nowhere", REDIS_SERVER: "" });
  assertEquals(await demo.ended(), {
    code: 1,
    stdout: "",
    stderr: "The demo needs a Redis or Valkey server: apt-get install -y redis-server\n",
  });
  await demo.assertNothingLeft([]);
});

/** The demo as its task runs it, in a process group of its own. */
class Demo extends Program {
  /** For its temporary files. */
  readonly #directory: TemporaryDirectory;

  private constructor(
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    directory: TemporaryDirectory,
  ) {
    const [program, ...words] = project.tasks.demo.split(" ");
    assertEquals(program, "deno");
    super([Deno.execPath(), ...words, ...args], {
      cwd: ROOT,
      env: { NO_COLOR: "1", ...env, TMPDIR: directory.at("") },
      detached: true,
    });
    this.#directory = directory;
  }

  static async run(args: string[] = [], env: Record<string, string> = {}): Promise<Demo> {
    return new Demo(args, env, await TemporaryDirectory.create());
  }

  /** The addresses in the configurations of the servers. */
  async servers(): Promise<HostPort[]> {
    const found: HostPort[] = [];
    for (const path of await filesIn(this.#directory.at(""))) {
      if (!path.endsWith("redis.conf")) continue;
      const conf = await Deno.readTextFile(path);
      const [, host] = /^bind (\S+)$/m.exec(conf) ?? [];
      const [, port] = /^port (\d+)$/m.exec(conf) ?? [];
      if (host !== undefined && port !== undefined) found.push({ host, port: Number(port) });
    }
    return found;
  }

  async untilServers(): Promise<HostPort[]> {
    return await until("all servers answer", async (saw) => {
      const servers = await this.servers();
      saw(servers);
      for (const { host, port } of servers) (await WireClient.connect(host, port)).close();
      return servers.length === 6 && servers;
    }, START_DEADLINE_MS);
  }

  /** A terminal sends its signals to the whole process group. */
  pressCtrlC(): void {
    Deno.kill(-this.pid, "SIGINT");
  }

  async assertEnds(): Promise<void> {
    const { code, stderr } = await this.ended();
    assertEquals([code, stderr], [0, ""]);
  }

  async assertNothingLeft(servers: HostPort[]): Promise<void> {
    assertEquals(await filesIn(this.#directory.at("")), []);
    for (const server of servers) {
      await until(`no server answers at ${formatHostPort(server)}`, async () => {
        try {
          (await WireClient.connect(server.host, server.port)).close();
          return false;
        } catch (error) {
          return error instanceof Deno.errors.ConnectionRefused;
        }
      });
    }
  }

  override async kill(): Promise<void> {
    try {
      Deno.kill(-this.pid, "SIGKILL");
    } catch (error) {
      // All processes of the group have ended.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    await this.ended();
    await this.#directory[Symbol.asyncDispose]();
  }
}

async function filesIn(directory: string): Promise<string[]> {
  const { output } = await run(["find", directory, "-mindepth", "1"]);
  return output.split("\n").filter(Boolean);
}

/** Makes sure that a port is in use, maybe by another program. */
function take(port: number): Disposable {
  try {
    return Deno.listen({ hostname: "127.0.0.1", port });
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    return { [Symbol.dispose]() {} };
  }
}
