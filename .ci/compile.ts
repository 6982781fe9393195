import { cp } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import project from "../deno.json" with { type: "json" };
import { OPTIONS } from "../src/cli/options.ts";

/**
 * Compiles the program into executables, each a single file, with the deno that runs this script:
 *
 *     deno task compile [--target TARGET]... [--commit COMMIT] [--directory DIRECTORY]
 *
 * Without a target it makes `redis-cluster-nat` for this machine, else `redis-cluster-nat-TARGET`
 * for each target, in `dist` by default. The executables print the commit of the checkout, or the
 * given one, with --version.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      target: { type: "string", multiple: true },
      commit: { type: "string" },
      directory: { type: "string", default: join(ROOT, "dist") },
    },
  });
  const targets = values.target ?? [undefined];
  const unknown = targets.find((target) => target !== undefined && !TARGETS.includes(target));
  if (unknown !== undefined) {
    throw new TypeError(`Unknown target '${unknown}'; expected one of ${TARGETS.join(", ")}`);
  }
  const stage = await Deno.makeTempDir({ prefix: "compile-" });
  try {
    await copyProgram(stage, values.commit || await readCommit());
    for (const target of targets) {
      const output = join(values.directory, nameOf(target));
      await compile(stage, output, target);
      console.log(output);
    }
  } finally {
    await Deno.remove(stage, { recursive: true });
  }
}

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** The targets of a release. */
const TARGETS = [
  "x86_64-unknown-linux-gnu",
  "aarch64-unknown-linux-gnu",
  "x86_64-apple-darwin",
  "aarch64-apple-darwin",
  "x86_64-pc-windows-msvc",
];

/**
 * The options of the task `start`, except that an executable may read only its own environment
 * variables.
 */
const RUNTIME_FLAGS = project.tasks.start.split(" ").slice(2, -1).map((option) =>
  option === "--allow-env"
    ? `${option}=${OPTIONS.flatMap(({ env }) => env ?? []).join(",")}`
    : option
);

/** The modules below src that are started as workers, which no import names. */
const WORKER_MODULES: readonly string[] = ["workers/worker.ts"];

function nameOf(target: string | undefined): string {
  const extension = (target ?? Deno.build.target).includes("windows") ? ".exe" : "";
  return ["redis-cluster-nat", ...target === undefined ? [] : [target]].join("-") + extension;
}

/** The checked-out commit, with `-dirty` if files differ from it; undefined without a checkout. */
async function readCommit(): Promise<string | undefined> {
  try {
    const args = ["-C", ROOT, "describe", "--always", "--dirty", "--exclude=*"];
    const { success, stdout } = await new Deno.Command("git", { args, stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Copies the sources, with the commit in the copy of deno.json. Every package in that file goes into
 * the executable and makes its start longer, so the packages of the tests are left out.
 */
async function copyProgram(stage: string, commit: string | undefined): Promise<void> {
  await cp(join(ROOT, "src"), join(stage, "src"), { recursive: true });
  await Deno.copyFile(join(ROOT, "deno.lock"), join(stage, "deno.lock"));
  const { version, imports, unstable } = JSON.parse(
    await Deno.readTextFile(join(ROOT, "deno.json")),
  );
  const sources = await readSources(join(stage, "src"));
  const used = Object.entries(imports).filter(([name]) => sources.includes(`from "${name}"`));
  const staged = { version, commit, imports: Object.fromEntries(used), unstable };
  await Deno.writeTextFile(join(stage, "deno.json"), JSON.stringify(staged));
}

async function readSources(directory: string): Promise<string> {
  let sources = "";
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    const path = join(directory, name);
    sources += isDirectory ? await readSources(path) : await Deno.readTextFile(path);
  }
  return sources;
}

async function compile(stage: string, output: string, target: string | undefined): Promise<void> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [
      "compile",
      "--quiet",
      // `deno task ok` checks the types.
      "--no-check",
      // The cache would be a file in /tmp, which any user of the machine could create first.
      "--no-code-cache",
      ...RUNTIME_FLAGS,
      ...WORKER_MODULES.map((path) => `--include=${join(stage, "src", path)}`),
      ...target === undefined ? [] : [`--target=${target}`],
      `--output=${output}`,
      join(stage, "src", "main.ts"),
    ],
    cwd: stage,
  }).spawn().status;
  if (!success) throw new Error(`Cannot compile '${output}'; see above`);
}

try {
  await main();
} catch (error) {
  console.error(`compile: ${error instanceof Error ? error.message : error}`);
  Deno.exit(1);
}
