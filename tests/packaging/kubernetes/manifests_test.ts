import { assert, assertEquals } from "@std/assert";
import { parseAllDocuments } from "yaml";
import { runNat } from "../../support/nat_process.ts";
import { run } from "../../support/program.ts";

const text = await Deno.readTextFile(new URL("manifests.yaml", import.meta.url));

/** The `spec` of the resource of a kind and name. */
// deno-lint-ignore no-explicit-any -- The schema belongs to Kubernetes.
function specOf(kind: string, name: string): any {
  const documents = parseAllDocuments(text);
  assertEquals(documents.flatMap(({ errors }) => errors), []);
  return documents.map((document) => document.toJS())
    .find((resource) => resource.kind === kind && resource.metadata.name === name).spec;
}

Deno.test("the proxy starts with the settings of the manifests", async () => {
  const [container] = specOf("Deployment", "redis-cluster-nat").template.spec.containers;
  const env: Record<string, string> = Object.fromEntries(
    container.env.map(({ name, value }: Record<string, string>) => [name, value]),
  );
  // Outside Kubernetes the names of the nodes do not exist; a setting that is wrong exits with 2.
  const { code, stderr } = await runNat(["--check"], { env: { ...env, START_TIMEOUT: "1ms" } });
  assertEquals(code, 1, stderr);
  const { ports } = specOf("Service", "redis-cluster-nat");
  const published = ports.map(({ port }: { port: number }) => `${port}`);
  assertEquals(env.PORT_MAP!.match(/(?<==)\d+/g), published);
  assertEquals(env.MAX_NODES, `${published.length}`);
  // The probes reach what the proxy serves, and clients do not.
  const { ports: opened, readinessProbe, livenessProbe } = container;
  const [http] = opened.filter(({ name }: { name?: string }) => name === "http");
  assertEquals(env.HTTP_ADDR, `0.0.0.0:${http.containerPort}`);
  assert(!published.includes(`${http.containerPort}`));
  const probed = [readinessProbe, livenessProbe].map(({ httpGet }) => httpGet);
  assertEquals(probed, [{ path: "/readyz", port: "http" }, { path: "/healthz", port: "http" }]);
});

Deno.test("the shell can parse the script that creates the cluster in Kubernetes", async () => {
  const [container] = specOf("Job", "create-cluster").template.spec.containers;
  const script = container.command.at(-1);
  assertEquals(await run(["sh", "-n"], script), { code: 0, output: "" });
  assert(script.endsWith("--cluster-yes\n"), script);
});
