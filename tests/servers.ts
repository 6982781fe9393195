import { join } from "node:path";
import { run } from "./support/program.ts";
import { runTask, UsageError } from "./support/task.ts";

/** The faults that depend on the server. */
const FAULTS = ["client_garbage", "dead_node", "drain", "drain_load", "restart"];

/** The tests that start a server. */
const TESTS = [
  "tests/integration",
  "tests/live",
  ...FAULTS.map((name) => `tests/faults/${name}_test.ts`),
];

/** Names of server programs. */
const PROGRAMS = ["redis-server", "valkey-server"];

const USAGE = `Usage: deno task test:servers [PATH...]

Runs the tests that start a server once for each server: a program, or a directory with
${PROGRAMS.join(" or ")}. Without arguments the servers are those on the PATH. The last lines are a
summary. The exit status is 0 if all tests passed with every server.

  deno task test:servers /opt/redis-8.0.6 /opt/valkey-9.1.2/valkey-server`;

async function main(): Promise<number> {
  const places = Deno.args;
  const servers = await Promise.all(
    places.length > 0 ? places.map(findServer) : onPath(),
  );
  const results: string[] = [];
  let failures = 0;
  for (const server of servers.filter((server) => server !== undefined)) {
    const { success, summary } = await testWith(server);
    if (!success) failures++;
    results.push(`${await versionOf(server)} (${server}): ${summary}`);
  }
  if (results.length === 0) throw new UsageError(`No ${PROGRAMS.join(" or ")} is on the PATH`);
  console.log(results.join("\n"));
  return failures === 0 ? 0 : 1;
}

/** The server at a path, or in the directory there. */
async function findServer(place: string): Promise<string> {
  for (const path of [place, ...PROGRAMS.map((program) => join(place, program))]) {
    const { isFile = false } = await Deno.stat(path).catch(() => ({ isFile: false }));
    if (isFile) return path;
  }
  throw new UsageError(`Cannot find a server at '${place}': expected ${PROGRAMS.join(" or ")}`);
}

function onPath(): Promise<string | undefined>[] {
  return PROGRAMS.map(async (program) => {
    try {
      await versionOf(program);
      return program;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  });
}

/** Its version, such as `Redis server v=7.0.15`. */
async function versionOf(server: string): Promise<string> {
  const { output } = await run([server, "--version"]);
  return /^\w+ server v=\S+/.exec(output)?.[0] ?? output.trim();
}

/** Runs the tests, and returns the summary of the runner. */
async function testWith(server: string): Promise<{ success: boolean; summary: string }> {
  console.log(`\nTests with ${server}`);
  const process = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", ...TESTS],
    env: { REDIS_SERVER: server, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
  }).spawn();
  let summary = "no summary";
  let line = "";
  for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) {
    await Deno.stdout.write(new TextEncoder().encode(text));
    const lines = (line + text).split("\n");
    line = lines.pop()!;
    summary = lines.findLast((line) => /^(ok|FAILED) \| /.test(line)) ?? summary;
  }
  const { success } = await process.status;
  return { success, summary };
}

if (import.meta.main) await runTask(USAGE, main);
