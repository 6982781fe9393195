import { assert, assertEquals, assertMatch } from "@std/assert";
import { parseAllDocuments } from "yaml";
import { parseCommand } from "../../../src/cli/config.ts";
import { runNat } from "../../support/nat_process.ts";
import { run } from "../../support/program.ts";
import { TemporaryDirectory } from "../../support/temporary.ts";
import { unless } from "../../support/unless.ts";

const text = await Deno.readTextFile(new URL("manifests.yaml", import.meta.url));

/** The `spec` of the resource of a kind and name. */
// deno-lint-ignore no-explicit-any -- The schema belongs to Kubernetes.
function specOf(kind: string, name: string): any {
  const documents = parseAllDocuments(text);
  assertEquals(documents.flatMap(({ errors }) => errors), []);
  return documents.map((document) => document.toJS())
    .find((resource) => resource.kind === kind && resource.metadata.name === name).spec;
}

/** Schemas of all versions that the comments in the manifests speak of. */
const VALIDATOR = "kubernetes-validate==1.37.0";
const VERSIONS = ["1.29", "1.37"];

/** The packages of the validator; the directory is removed at the end. */
const packages = await Deno.makeTempDir({ prefix: "nat-" });
globalThis.addEventListener("unload", () => Deno.removeSync(packages, { recursive: true }));

/** Downloads the validator; the result says why that fails. */
async function fetchValidator(): Promise<string | undefined> {
  const options = ["--quiet", "--no-compile", "--target", packages];
  const pip = ["python3", "-m", "pip", "install", ...options, VALIDATOR];
  try {
    const { code } = await run(pip, "", { deadlineMs: 300_000 });
    return code === 0 ? undefined : `pip cannot install ${VALIDATOR}`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "there is no python3";
    throw error;
  }
}

Deno.test(unless(
  await fetchValidator(),
  "the manifests follow the schemas of Kubernetes, without unknown fields",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const env = { PYTHONPATH: packages };
    const validate = ["python3", "-m", "kubernetes_validate", "--strict", "--quiet"];
    const path = directory.at("manifests.yaml");
    for (const version of VERSIONS) {
      await Deno.writeTextFile(path, text);
      const command = [...validate, "--kubernetes-version", version, path];
      assertEquals(await run(command, "", { env }), { code: 0, output: "" });
      await Deno.writeTextFile(path, text.replace("maxUnavailable: 1", "maxUnavailabel: 1"));
      assertMatch((await run(command, "", { env })).output, /maxUnavailabel/);
    }
  },
));

Deno.test("the proxy starts with the settings of the manifests", async () => {
  const [container] = specOf("Deployment", "redis-cluster-nat").template.spec.containers;
  const env: Record<string, string> = Object.fromEntries(
    container.env.map(({ name, value }: Record<string, string>) => [name, value]),
  );
  // Outside Kubernetes the names of the nodes do not exist; a setting that is wrong exits with 2.
  const { code, stderr } = await runNat(["--check"], { env: { ...env, START_TIMEOUT: "1ms" } });
  assertEquals(code, 1, stderr);
  const command = parseCommand([], (name) => env[name]);
  if (command.kind !== "serve") throw new TypeError(`Read ${command.kind}`);
  const { listen, maxNodes, httpAddress } = command.config;
  const nodePorts = Array.from({ length: maxNodes }, (_, index) => listen.port + index);
  const { ports } = specOf("Service", "redis-cluster-nat");
  assertEquals(ports.map(({ port }: { port: number }) => port), nodePorts);
  const containerPorts = container.ports.map((port: { containerPort: number }) =>
    port.containerPort
  );
  assertEquals(containerPorts, [...nodePorts, httpAddress!.port]);
  // The probes reach what the proxy serves.
  const { readinessProbe, livenessProbe } = container;
  const probed = [readinessProbe, livenessProbe].map(({ httpGet }) => httpGet);
  assertEquals(probed, [{ path: "/readyz", port: "http" }, { path: "/healthz", port: "http" }]);
});

Deno.test("a pod of the proxy has the time to drain", () => {
  const { spec, metadata } = specOf("Deployment", "redis-cluster-nat").template;
  const seconds = (variable: string) =>
    parseInt(spec.containers[0].env.find(({ name }: { name: string }) => name === variable).value);
  const needed = seconds("DRAIN_DELAY") + seconds("SHUTDOWN_GRACE");
  assert(spec.terminationGracePeriodSeconds > needed, `${needed} seconds`);
  const budget = specOf("PodDisruptionBudget", "redis-cluster-nat");
  assertEquals(budget.selector.matchLabels, metadata.labels);
});

Deno.test("the shell can parse the script that creates the cluster in Kubernetes", async () => {
  const [container] = specOf("Job", "create-cluster").template.spec.containers;
  const script = container.command.at(-1);
  assertEquals(await run(["sh", "-n"], script), { code: 0, output: "" });
  assert(script.endsWith("--cluster-yes\n"), script);
});
