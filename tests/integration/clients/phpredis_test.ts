import { assertEquals } from "@std/assert";
import type { HostPort } from "../../../src/platform/address.ts";
import { itemsOf, textOf } from "../../../src/resp/frame.ts";
import { RedisCluster } from "../../support/cluster.ts";
import { run } from "../../support/program.ts";
import { startProxy } from "../../support/proxy.ts";
import { until, within } from "../../support/until.ts";

/**
 * Writes until its stdin has a line, ignoring errors, and then counts how many of 200 writes to as
 * many slots succeed.
 */
const PROGRAM = `
$redis = new RedisCluster(null, [$argv[1]], 2, 2);
$write = function ($key) use ($redis) {
  try {
    return $redis->set("key:$key", "value") === true;
  } catch (Exception $error) {
    fwrite(STDERR, get_class($error) . ": " . $error->getMessage() . "\\n");
    return false;
  }
};
for ($key = 0; $key < 200; $key++) if (!$write($key)) exit(1);
echo "ready\\n";
stream_set_blocking(STDIN, false);
for ($key = 0; fgets(STDIN) === false; $key++) {
  $write($key % 200);
  usleep(10000);
}
$count = 0;
for ($key = 0; $key < 200; $key++) if ($write($key)) $count++;
echo "$count\\n";
`;

/** phpredis takes a while for each write to a dead node. */
const DEADLINE_MS = 60_000;

/** phpredis writing in a process until its block ends. */
class Writer implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  #text = "";

  constructor({ host, port }: HostPort) {
    this.#process = new Deno.Command("php", {
      args: ["-r", PROGRAM, "--", `${host}:${port}`],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#lines = this.#process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Reads the next line of stdout. */
  async line(): Promise<string> {
    while (!this.#text.includes("\n")) {
      const { done, value } = await within("read what PHP prints", this.#lines.read(), DEADLINE_MS);
      if (done) throw new Error(`PHP has ended, having printed '${this.#text}'`);
      this.#text += value;
    }
    const end = this.#text.indexOf("\n");
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 1);
    return line;
  }

  /** Makes it count, and returns the number of successful writes. */
  async count(): Promise<number> {
    const stdin = this.#process.stdin.getWriter();
    await stdin.write(new TextEncoder().encode("count\n"));
    await stdin.close();
    return Number(await this.line());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has already ended.
    }
    await this.#lines.cancel();
    await this.#process.stdin.close().catch(() => {});
    await this.#process.status;
  }
}

async function findPhpRedis(): Promise<boolean> {
  try {
    const { output } = await run(["php", "-r", "echo phpversion('redis');"]);
    return /^\d/.test(output);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const hasPhpRedis = await findPhpRedis();

Deno.test({
  name: "phpredis writes after the death of a primary as on a direct connection" +
    (hasPhpRedis ? "" : " (skipped: install php-cli and php-redis)"),
  ignore: !hasPhpRedis,
  async fn() {
    await using cluster = await RedisCluster.start();
    await using proxy = await startProxy(cluster);
    const [seed, victim, heir] = [cluster.nodes[0]!, cluster.nodes[1]!, cluster.nodes[4]!];
    await using straight = new Writer(seed);
    await using through = new Writer({ host: proxy.host, port: proxy.portOf(seed) });
    assertEquals([await straight.line(), await through.line()], ["ready", "ready"]);
    await victim.kill();
    await until("its replica has taken over", async (saw) => {
      const role = textOf(itemsOf(await heir.ask("ROLE"))![0]);
      saw(role);
      return role === "master";
    }, DEADLINE_MS);
    await cluster.ready();
    const counts = await Promise.all([straight.count(), through.count()]);
    assertEquals(counts[1], counts[0]);
    assertEquals(counts[0], 200);
  },
});
