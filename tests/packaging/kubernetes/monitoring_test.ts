import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { metricsOf } from "../../../src/http/metrics.ts";
import { END_REASONS } from "../../../src/proxy/end_reason.ts";
import { ROOT } from "../../support/compiler.ts";
import { missing, run } from "../../support/program.ts";
import { statusFor } from "../../support/proxy_status.ts";
import { TemporaryDirectory } from "../../support/temporary.ts";
import { unless } from "../../support/unless.ts";

const DIRECTORY = fileURLToPath(new URL(".", import.meta.url));

const PROMTOOL = await missing("promtool");

/** The expressions of the alerts, and of the dashboard with values for its variables. */
const EXPRESSIONS = [
  ...parse(await read("alerts.yaml")).groups.flatMap(({ rules }: AlertGroup) =>
    rules.map(({ expr }) => expr)
  ),
  ...JSON.parse(await read("dashboard.json")).panels.flatMap(({ targets }: Panel) =>
    targets.map(({ expr }) =>
      expr.replaceAll("$__rate_interval", "1m").replaceAll("$instance", ".*")
    )
  ),
];

interface AlertGroup {
  readonly rules: readonly { readonly expr: string }[];
}

interface Panel {
  readonly targets: readonly { readonly expr: string }[];
}

function read(name: string): Promise<string> {
  return Deno.readTextFile(DIRECTORY + name);
}

/** The names of all samples that the program has. */
function sampleNames(): Set<string> {
  const status = statusFor(["a 10.0.0.1:7000@17000 myself,master - 0 0 1 connected"], {
    sharedPorts: { problem: undefined, waiting: 0, corrections: 0 },
  });
  const certificate = {
    name: "a",
    file: { source: "--tls-cert-file", path: "a" },
    validFromMs: 0,
    validUntilMs: 0,
  };
  const text = metricsOf({
    about: { version: "1.2.3" },
    options: { captureLimitBytes: 1, maxConnections: 1 },
    certificates: [certificate],
  }, status);
  return new Set(text.matchAll(/^(\w+)[ {]/gm).map(([, name]) => name!));
}

Deno.test("every reason in metrics and in the access log is documented", async () => {
  const operation = await Deno.readTextFile(join(ROOT, ".github/docs/operation.md"));
  assertEquals(END_REASONS.filter((reason) => !operation.includes(`\`${reason}\``)), []);
});

Deno.test("alerts and dashboard ask for metrics that exist", () => {
  const names = sampleNames();
  assert(EXPRESSIONS.length > 20);
  for (const expression of EXPRESSIONS) {
    const used = expression.match(/\b(redis_cluster_nat|process)_\w+/g);
    assertEquals(used?.filter((name: string) => !names.has(name)), [], expression);
  }
});

Deno.test(
  unless(PROMTOOL, "Prometheus accepts the alerts and what the dashboard asks", async () => {
    await using directory = await TemporaryDirectory.create();
    const rules = EXPRESSIONS.map((expr, at) => ({ record: `recorded_${at}`, expr }));
    const path = directory.at("rules.yaml");
    await Deno.writeTextFile(path, JSON.stringify({ groups: [{ name: "all", rules }] }));
    for (const file of [`${DIRECTORY}alerts.yaml`, path]) {
      const { code, output } = await run(["promtool", "check", "rules", file]);
      assertEquals(code, 0, output);
    }
  }),
);

Deno.test(unless(PROMTOOL, "each alert fires when it should, and not before", async () => {
  const { code, output } = await run(["promtool", "test", "rules", `${DIRECTORY}alerts_test.yaml`]);
  assertEquals(code, 0, output);
}));
