import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { parse } from "yaml";
import project from "../../deno.json" with { type: "json" };
import { ROOT } from "../support/compiler.ts";
import { run, type RunOptions } from "../support/program.ts";
import { TemporaryDirectory } from "../support/temporary.ts";
import { unless } from "../support/unless.ts";

const WORKFLOWS = ["test.yml", "release.yml"];

function readText(...path: string[]): Promise<string> {
  return Deno.readTextFile(join(ROOT, ...path));
}

interface Step {
  readonly name?: string;
  readonly run?: string;
}

async function readSteps(workflow: string): Promise<Step[]> {
  const { jobs } = parse(await readText(".github", "workflows", workflow));
  return Object.values<{ steps?: Step[] }>(jobs).flatMap(({ steps = [] }) => steps);
}

/** The script of a step; it must have no expressions. */
async function scriptOf(workflow: string, name: string): Promise<string> {
  const script = (await readSteps(workflow)).find((step) => step.name === name)?.run;
  assert(script !== undefined && !script.includes("${{"), `${name}: ${script}`);
  return script;
}

/** Go downloads it and verifies its checksum. */
const ACTIONLINT = ["go", "run", "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"];

/** The first run compiles it. */
const ACTIONLINT_DEADLINE_MS = 300_000;

const hindrance = await actionlint("-version").then(
  ({ code, output }) => code === 0 ? undefined : `there is no actionlint: ${output.split("\n")[0]}`,
  () => "there is no go, which runs actionlint",
);

Deno.test(unless(hindrance, "actionlint finds nothing in the workflows", async () => {
  const paths = WORKFLOWS.map((name) => join(ROOT, ".github", "workflows", name));
  // The other linters that it would start may not be installed.
  const outcome = await actionlint("-shellcheck=", "-pyflakes=", "-no-color", ...paths);
  assertEquals(outcome, { code: 0, output: "" });
}));

function actionlint(...words: string[]) {
  return run([...ACTIONLINT, ...words], "", { deadlineMs: ACTIONLINT_DEADLINE_MS });
}

/** Starts a script like the runners do for steps with `shell: bash`. */
function bash(script: string, options: RunOptions) {
  return run(["bash", "-eo", "pipefail", "-c", script], "", options);
}

for (const name of WORKFLOWS) {
  Deno.test(`the actions that ${name} uses are pinned by commit`, async () => {
    const text = await readText(".github", "workflows", name);
    const uses = [...text.matchAll(/\buses: (.*)$/gm)].map(([, action]) => action!);
    assert(uses.length > 0);
    for (const action of uses) {
      assertMatch(action, /^(\.\/\.github\/|[\w-]+\/[\w-]+@[\da-f]{40} # v\d+\.\d+\.\d+$)/);
    }
  });

  Deno.test(`the scripts of ${name} can be parsed by the shell`, async () => {
    for (const { run: script } of await readSteps(name)) {
      const { code, output } = await run(["bash", "-n"], script ?? "");
      assertEquals(code, 0, output);
    }
  });
}

const notLinux = Deno.build.os === "linux" ? undefined : "the steps run on Linux";

Deno.test(unless(notLinux, "the checksums of a release find a file that changed", async () => {
  await using directory = await TemporaryDirectory.create();
  await Deno.writeTextFile(directory.at("redis-cluster-nat-a"), "a");
  await Deno.writeTextFile(directory.at("redis-cluster-nat-b.exe"), "b");
  const inDirectory = async (step: string) =>
    await bash(await scriptOf("release.yml", step), { cwd: directory.at("") });
  assertEquals(await inDirectory("Checksums"), { code: 0, output: "" });
  assertEquals(await inDirectory("Verify the checksums"), {
    code: 0,
    output: "redis-cluster-nat-a: OK\nredis-cluster-nat-b.exe: OK\n",
  });
  await Deno.writeTextFile(directory.at("redis-cluster-nat-a"), "c");
  assertEquals((await inDirectory("Verify the checksums")).code, 1);
}));

Deno.test("the image is named after the repository in lower case and the tag", async () => {
  await using directory = await TemporaryDirectory.create();
  const env = {
    GITHUB_REPOSITORY: "Some-Body/Redis-Cluster-NAT",
    GITHUB_REF_NAME: "v1.2.3",
    GITHUB_OUTPUT: directory.at("output"),
  };
  const { code } = await bash(await scriptOf("release.yml", "Name the image"), { env });
  assertEquals(code, 0);
  assertEquals(
    await Deno.readTextFile(directory.at("output")),
    "name=ghcr.io/some-body/redis-cluster-nat\nversion=1.2.3\n",
  );
});

/** The files of a project before a release. */
async function release(changelog: string, version = "1.1.0"): Promise<TemporaryDirectory> {
  const directory = await TemporaryDirectory.create();
  await Deno.mkdir(directory.at(".ci"));
  await Deno.copyFile(join(ROOT, ".ci", "release-notes"), directory.at(".ci/release-notes"));
  const deno = await readText("deno.json");
  await Deno.writeTextFile(directory.at("deno.json"), deno.replace(project.version, version));
  await Deno.writeTextFile(directory.at("CHANGELOG.md"), changelog);
  return directory;
}

const CHANGELOG = `# Changelog

## [1.1.0] - 2027-01-31

### Added

- One.

## [1.0.0] - 2026-12-01

- Two.

[1.1.0]: https://example.com
`;

Deno.test("the notes of a release are its section of the changelog", async () => {
  for (const [version, output] of [["1.1.0", "### Added\n\n- One.\n"], ["1.0.0", "- Two.\n"]]) {
    await using directory = await release(CHANGELOG, version);
    const notes = await run([directory.at(".ci/release-notes"), version!]);
    assertEquals(notes, { code: 0, output: output! });
  }
});

const UNDATED = CHANGELOG.replace("2027-01-31", "unreleased");
const EMPTY = CHANGELOG.replace(/### Added\n\n- One\.\n\n/, "");

for (
  const [what, changelog, version, message] of [
    ["of another version", CHANGELOG, "1.0.0", "The release is 1.0.0, but deno.json has"],
    ["without a date", UNDATED, "1.1.0", "has no text under '## [1.1.0]"],
    ["without a section", CHANGELOG.replaceAll("1.1.0", "1x1x0"), "1.1.0", "has no text under"],
    ["with an empty section", EMPTY, "1.1.0", "has no text under"],
  ] as const
) {
  Deno.test(`there is no release ${what} in the changelog`, async () => {
    await using directory = await release(changelog);
    const { code, output } = await run([directory.at(".ci/release-notes"), version]);
    assertEquals(code, 1);
    assertStringIncludes(output, message);
  });
}
