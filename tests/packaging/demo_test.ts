import { assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { formatHostPort, type HostPort } from "../../src/platform/address.ts";
import project from "../../deno.json" with { type: "json" };
import { run } from "../support/program.ts";
import { until, within } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";

/** A cluster forms in about 3 s; a loaded machine with two cores may take several times that. */
const START_DEADLINE_MS = 60_000;

const MAPPING = /^ {2}(\S+:\d+) +-> +(127\.0\.0\.1:\d+) +(primary|replica)$/gm;

const PROOF = /^ {2}(\w+) +(\w+) +slot (\d+) +at (\S+)$/gm;

Deno.test("the demo serves the cluster it prints until Ctrl-C, and leaves nothing", async () => {
  await using demo = await Demo.start();
  const [, port] = await demo.untilPrinted(/redis-cli -c -p (\d+)\n/);
  const servers = await demo.servers();

  const mapping = [...demo.output.matchAll(MAPPING)];
  assertEquals(mapping.map(([, address]) => address).sort(), servers.map(formatHostPort).sort());
  assertEquals(mapping[0]![2], `127.0.0.1:${port}`);
  const primaries = mapping.filter(([, , , role]) => role === "primary").map(([, , at]) => at);
  assertEquals([mapping.length, primaries.length], [6, 3]);

  const proof = [...demo.output.matchAll(PROOF)];
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
  assertEquals(await demo.ended(), { code: 0, errors: "" });
  await demo.assertNothingLeft(servers);
});

for (const [signal, isSent] of [["a Ctrl-C", "pressCtrlC"], ["a SIGTERM", "terminate"]] as const) {
  Deno.test(`the demo leaves nothing when ${signal} stops it while it starts`, async () => {
    await using demo = await Demo.start();
    const servers = await demo.untilServers();
    demo[isSent]();
    assertEquals(await demo.ended(), { code: 0, errors: "" });
    await demo.assertNothingLeft(servers);
  });
}

Deno.test("the demo uses other ports, and reports it, when its own are in use", async () => {
  using _taken = take(8000);
  await using demo = await Demo.start({ args: ["--once"] });
  assertEquals(await demo.ended(), { code: 0, errors: "" });
  assertMatch(demo.output, /^Ports 8000 to 8005 are not all free, so the proxy takes others\.$/m);
  assertEquals([...demo.output.matchAll(PROOF)].length, 3, demo.output);
  await demo.assertNothingLeft([]);
});

Deno.test("the demo names what to install when there is no server", async () => {
  await using demo = await Demo.start({ env: { PATH: "/nowhere", REDIS_SERVER: "" } });
  assertEquals(await demo.ended(), {
    code: 1,
    errors: "The demo needs a Redis or Valkey server: apt-get install -y redis-server\n",
  });
  assertEquals(demo.output, "");
  await demo.assertNothingLeft([]);
});

/** The demo as its task runs it, in a process group of its own. */
class Demo implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  /** The directory of its temporary files. */
  readonly #directory: string;
  readonly #output: Captured;
  readonly #errors: Captured;

  private constructor(process: Deno.ChildProcess, directory: string) {
    this.#process = process;
    this.#directory = directory;
    this.#output = new Captured(process.stdout);
    this.#errors = new Captured(process.stderr);
  }

  static async start(
    options: { args?: string[]; env?: Record<string, string> } = {},
  ): Promise<Demo> {
    const [program, ...words] = project.tasks.demo.split(" ");
    assertEquals(program, "deno");
    const directory = await Deno.makeTempDir({ prefix: "demo-test-" });
    const process = new Deno.Command(Deno.execPath(), {
      args: [...words, ...options.args ?? []],
      cwd: fileURLToPath(new URL("../..", import.meta.url)),
      env: { NO_COLOR: "1", ...options.env, TMPDIR: directory },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      detached: true,
    }).spawn();
    return new Demo(process, directory);
  }

  get output(): string {
    return this.#output.text;
  }

  async untilPrinted(pattern: RegExp): Promise<RegExpExecArray> {
    return await until(`the demo prints ${pattern}`, (saw) => {
      saw(this.#output.text + this.#errors.text);
      return pattern.exec(this.#output.text);
    }, START_DEADLINE_MS);
  }

  /** The addresses in the configurations of the servers. */
  async servers(): Promise<HostPort[]> {
    const found: HostPort[] = [];
    for (const path of await filesIn(this.#directory)) {
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

  /** Its servers do not get the signal. */
  terminate(): void {
    this.#process.kill("SIGTERM");
  }

  /** A terminal sends its signals to the whole process group. */
  pressCtrlC(): void {
    Deno.kill(-this.#process.pid, "SIGINT");
  }

  async ended(): Promise<{ code: number; errors: string }> {
    const { code } = await within("see the demo's end", this.#process.status, START_DEADLINE_MS);
    await Promise.all([this.#output.ended, this.#errors.ended]);
    return { code, errors: this.#errors.text };
  }

  async assertNothingLeft(servers: HostPort[]): Promise<void> {
    assertEquals(await filesIn(this.#directory), []);
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

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      Deno.kill(-this.#process.pid, "SIGKILL");
    } catch (error) {
      // All processes of the group have ended.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    await this.ended();
    await Deno.remove(this.#directory, { recursive: true });
  }
}

/** Collects what a process writes. */
class Captured {
  text = "";
  readonly ended: Promise<void>;

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.ended = stream.pipeThrough(new TextDecoderStream())
      .pipeTo(new WritableStream({ write: (text) => void (this.text += text) }));
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
