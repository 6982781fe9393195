import { assertEquals, assertMatch } from "@std/assert";
import project from "../../deno.json" with { type: "json" };
import { OPTIONS } from "../../src/cli/options.ts";

const FILES = [
  ...["Dockerfile", "README.md", "compose.yaml", "tests/packaging/kubernetes/manifests.yaml"],
  ...[".github/workflows/test.yml", ".github/workflows/release.yml"],
];

const text = (await Promise.all(FILES.map(readText))).join("\n");

function readText(path: string): Promise<string> {
  return Deno.readTextFile(new URL(`../../${path}`, import.meta.url));
}

/** The different values that a pattern captures in all files. */
function captured(pattern: RegExp): string[] {
  return [...new Set([...text.matchAll(pattern)].map(([, value]) => value!))];
}

Deno.test("all files name the same versions of the project, Deno and Redis", () => {
  const versions = captured(/(?:redis-cluster-nat:|image\.version=")(\d+\.\d+\.\d\S*?)"?(?=\s)/g);
  assertEquals(versions, [project.version]);
  assertEquals(captured(/\bdeno(?:@|-version: |:debian-)(\d+\.\d+\.\d+)/g).length, 1);
  assertEquals(captured(/\b(redis:\d+\.\d+\.\d[\w.-]*)/g).length, 1);
});

Deno.test("the image exposes the default ports", async () => {
  const [listen, count] = ["listen-addr", "max-nodes"].map((name) =>
    OPTIONS.find((option) => option.name === name)!.default!
  );
  const first = Number(listen!.slice(1));
  const [, exposed] = /^EXPOSE (.*)$/m.exec(await readText("Dockerfile"))!;
  assertEquals(exposed, `${first}-${first + Number(count) - 1}`);
});

Deno.test("the newest version of CHANGELOG.md is that of the project", async () => {
  const headings = [...(await readText("CHANGELOG.md")).matchAll(/^## \[(.*)\] - (.*)$/gm)];
  assertEquals(headings[0]![1], project.version);
  for (const [, version, date] of headings) {
    assertMatch(version!, /^\d+\.\d+\.\d+(-[\w.]+)?$/);
    assertMatch(date!, /^(unreleased|20\d\d-\d\d-\d\d)$/);
  }
});
