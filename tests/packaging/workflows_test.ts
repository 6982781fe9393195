import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import project from "../../deno.json" with { type: "json" };
import { readCompose } from "../support/compose.ts";
import { run, type RunOptions } from "../support/program.ts";
import { TemporaryDirectory } from "../support/temporary.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** What the tests here look at of a workflow. */
interface Workflow {
  readonly jobs: Readonly<Record<string, Job>>;
}

interface Job {
  readonly needs?: string | readonly string[];
  readonly if?: string;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly strategy?: Strategy;
  readonly steps?: readonly Step[];
}

interface Step {
  readonly name?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
}

interface Strategy {
  readonly matrix: {
    readonly os: readonly string[];
    readonly server: readonly Server[];
    readonly include: readonly {
      readonly os: string;
      readonly binary?: string;
      readonly server?: Server;
      readonly threads?: number;
    }[];
  };
}

interface Server {
  readonly repository: string;
  readonly version: string;
}

const WORKFLOWS = ["test.yml", "release.yml"];

function readText(...path: string[]): Promise<string> {
  return Deno.readTextFile(join(ROOT, ...path));
}

async function readWorkflow(name: string): Promise<Workflow> {
  return parse(await readText(".github", "workflows", name));
}

/** The script of a step, which must have no expressions in it. */
async function scriptOf(workflow: string, name: string): Promise<string> {
  const jobs = Object.values((await readWorkflow(workflow)).jobs);
  const script = jobs.flatMap(({ steps }) => steps ?? []).find((step) => step.name === name)?.run;
  assert(script !== undefined && !script.includes("${{"), `${name}: ${script}`);
  return script;
}

/** Go fetches it and checks it against its public log of checksums. */
const ACTIONLINT = ["go", "run", "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"];

/** It is compiled at first. */
const ACTIONLINT_DEADLINE_MS = 300_000;

const hindrance = await actionlint("-version").then(
  ({ code, output }) => code === 0 ? undefined : `there is no actionlint: ${output.split("\n")[0]}`,
  () => "there is no go, which runs actionlint",
);

Deno.test({
  name: "actionlint finds nothing in the workflows" +
    (hindrance === undefined ? "" : ` (SKIPPED: ${hindrance})`),
  ignore: hindrance !== undefined,
  fn: async () => {
    const paths = WORKFLOWS.map((name) => join(ROOT, ".github", "workflows", name));
    // Of other programs it would use what is installed.
    const outcome = await actionlint("-shellcheck=", "-pyflakes=", "-no-color", ...paths);
    assertEquals(outcome, { code: 0, output: "" });
  },
});

function actionlint(...words: string[]) {
  return run([...ACTIONLINT, ...words], "", { deadlineMs: ACTIONLINT_DEADLINE_MS });
}

/** As the runners start it for steps with that shell. */
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

  Deno.test(`the scripts of ${name} are understood by the shell`, async () => {
    const { jobs } = await readWorkflow(name);
    for (const { run: script } of Object.values(jobs).flatMap(({ steps }) => steps ?? [])) {
      const { code, output } = await run(["bash", "-n"], script ?? "");
      assertEquals(code, 0, output);
    }
  });
}

Deno.test("the workflows, README and compose.yaml mean the same Deno and the same Redis", async () => {
  const texts = await Promise.all([
    readText("README.md"),
    ...WORKFLOWS.map((name) => readText(".github", "workflows", name)),
  ]);
  const versions = texts.flatMap((text) =>
    [...text.matchAll(/\bdeno(?:@|-version: )(\d+\.\d\S+)/g)].map(([, version]) => version)
  );
  assertEquals(new Set(versions), new Set(["2.9.6"]));
  const { image } = (await readCompose({})).services["redis-1"]!;
  assertEquals(new Set(texts[1]!.match(/\bredis:\d\S+/g)), new Set([image]));
});

Deno.test("no job of a push starts before format, lint, types and unit tests pass", async () => {
  const { unit, ...others } = (await readWorkflow("test.yml")).jobs;
  const scripts = unit!.steps!.flatMap(({ run }) => run ?? []);
  assertEquals(scripts, ["deno task check", "deno task test:unit"]);
  for (const [name, { needs }] of Object.entries(others)) assertEquals(needs, "unit", name);
});

Deno.test("a push is tested with every server on Linux and macOS", async () => {
  const { os, server } = (await readWorkflow("test.yml")).jobs.servers!.strategy!.matrix;
  assertEquals(os.map((name) => name.split("-")[0]), ["ubuntu", "macos"]);
  assertEquals(
    server.map(({ repository, version }) => `${repository} ${/^(?:7\.)?\d/.exec(version)}`),
    [
      ...["redis/redis 7.2", "redis/redis 7.4", "redis/redis 8"],
      ...["valkey-io/valkey 8", "valkey-io/valkey 9"],
    ],
  );
});

Deno.test("a push is tested with two threads, too, on Linux and with one of the servers", async () => {
  const { strategy, steps } = (await readWorkflow("test.yml")).jobs.servers!;
  const { server, include } = strategy!.matrix;
  assertEquals(include.map(({ os, threads }) => [os.split("-")[0], threads]), [["ubuntu", 2]]);
  assert(server.some(({ version }) => version === include[0]!.server!.version));
  assertEquals(steps!.at(-1)!.env!.THREADS, "${{ matrix.threads }}");
});

Deno.test("a release has five binaries, each tried where it is for", async () => {
  const tried = (await readWorkflow("release.yml")).jobs.try!;
  const script = await scriptOf("release.yml", "Binaries");
  const targets = script.match(/\b\w+-(unknown|apple|pc)-[\w-]+/g)!;
  assertEquals(targets.length, 5);
  const compile = await readText(".ci", "compile.ts");
  for (const target of targets) assertStringIncludes(compile, `"${target}"`);
  assertEquals(
    tried.strategy!.matrix.include.map(({ binary }) => binary!).sort(),
    targets.map((target) => `redis-cluster-nat-${target}`.replace(/windows-msvc$/, "$&.exe"))
      .sort(),
  );
});

const linux = Deno.build.os === "linux";

Deno.test({
  name: "a release has checksums, by which it is seen whether all came through" +
    (linux
      ? ""
      : " (SKIPPED: not every system has the program of these steps, which run on Linux)"),
  ignore: !linux,
  fn: async () => {
    await using directory = await TemporaryDirectory.create();
    await Deno.writeTextFile(directory.at("redis-cluster-nat-a"), "a");
    await Deno.writeTextFile(directory.at("redis-cluster-nat-b.exe"), "b");
    const inDirectory = async (step: string) => {
      return await bash(await scriptOf("release.yml", step), { cwd: directory.at("") });
    };
    assertEquals(await inDirectory("Checksums"), { code: 0, output: "" });
    assertEquals(await inDirectory("Verify the checksums"), {
      code: 0,
      output: "redis-cluster-nat-a: OK\nredis-cluster-nat-b.exe: OK\n",
    });
    await Deno.writeTextFile(directory.at("redis-cluster-nat-a"), "c");
    assertEquals((await inDirectory("Verify the checksums")).code, 1);
  },
});

Deno.test("the image is named after the repository, in small letters, and the tag", async () => {
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

Deno.test("no job of a release may do more than it does", async () => {
  const { jobs } = await readWorkflow("release.yml");
  const allowed = Object.entries(jobs).flatMap(([name, { permissions = {} }]) => {
    const written = Object.keys(permissions).filter((scope) => permissions[scope] === "write");
    return written.length === 0 ? [] : [[name, written.join(" ")]];
  });
  assertEquals(Object.fromEntries(allowed), {
    image: "packages id-token attestations",
    release: "contents id-token attestations",
    latest: "packages",
  });
});

Deno.test("the latest image is one that was tried, of a version that is released", async () => {
  const { jobs } = await readWorkflow("release.yml");
  const tags = Object.values(jobs).flatMap(({ steps }) => steps ?? [])
    .flatMap((step) => step.with?.tags ?? []);
  assertEquals(tags, ["${{ steps.image.outputs.name }}:${{ steps.image.outputs.version }}"]);
  assertEquals(jobs["try-image"]!.needs, ["build", "image"]);
  assertEquals(jobs.release!.needs, "try-image");
  assertEquals(jobs.latest!.needs, ["image", "release"]);
  assertEquals(jobs.latest!.if, "${{ !contains(github.ref_name, '-') }}");
  assertStringIncludes(jobs.latest!.steps!.at(-1)!.run!, '"$NAME:latest" "$NAME@$DIGEST"');
});

Deno.test("the newest version of CHANGELOG.md is that of the project", async () => {
  const changelog = await readText("CHANGELOG.md");
  const headings = [...changelog.matchAll(/^## \[(.*)\] - (.*)$/gm)].map(([, ...parts]) => parts);
  assertEquals(headings[0]![0], project.version);
  for (const [version, date] of headings) {
    assertMatch(version!, /^\d+\.\d+\.\d+(-[\w.]+)?$/);
    assertMatch(date!, /^(unreleased|20\d\d-\d\d-\d\d)$/);
  }
});

/** Files of a project that is about to be released. */
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

Deno.test("the notes of a release are its part of the changelog", async () => {
  await using directory = await release(CHANGELOG);
  assertEquals(await run([directory.at(".ci/release-notes"), "1.1.0"]), {
    code: 0,
    output: "### Added\n\n- One.\n",
  });
  await using first = await release(CHANGELOG, "1.0.0");
  assertEquals(await run([first.at(".ci/release-notes"), "1.0.0"]), {
    code: 0,
    output: "- Two.\n",
  });
});

const NO_NOTES: [what: string, changelog: string, version: string, message: string][] = [
  ["of another version", CHANGELOG, "1.0.0", "The release is to be 1.0.0, but deno.json has"],
  [
    "without a date",
    CHANGELOG.replace("2027-01-31", "unreleased"),
    "1.1.0",
    "says nothing of 1.1.0",
  ],
  ["of which nothing is said", CHANGELOG.replaceAll("1.1.0", "1x1x0"), "1.1.0", "says nothing of"],
  [
    "with an empty part",
    CHANGELOG.replace(/### Added\n\n- One\.\n\n/, ""),
    "1.1.0",
    "says nothing",
  ],
];

for (const [what, changelog, version, message] of NO_NOTES) {
  Deno.test(`there is no release ${what}`, async () => {
    await using directory = await release(changelog);
    const { code, output } = await run([directory.at(".ci/release-notes"), version]);
    assertEquals(code, 1);
    assertStringIncludes(output, message);
  });
}
