import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { parseAllDocuments } from "yaml";
import project from "../../../deno.json" with { type: "json" };
import { OPTIONS } from "../../../src/cli/options.ts";
import { readCompose } from "../../support/compose.ts";
import { run } from "../../support/program.ts";

/** What the test looks at of a resource. */
interface Resource {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly serviceName?: string;
    readonly replicas?: number;
    readonly selector?: Readonly<Record<string, unknown>>;
    readonly ports?: readonly { readonly port: number }[];
    readonly template?: {
      readonly metadata?: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: {
        readonly containers: readonly Container[];
        readonly securityContext?: {
          readonly sysctls: readonly { readonly name: string; readonly value: string }[];
        };
      };
    };
  };
}

interface Container {
  readonly image: string;
  readonly command?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly ports?: readonly { readonly containerPort: number }[];
  readonly readinessProbe?: { readonly timeoutSeconds?: number };
  readonly securityContext?: Readonly<Record<string, unknown>>;
}

const text = await Deno.readTextFile(new URL("manifests.yaml", import.meta.url));

const resources: Resource[] = parseAllDocuments(text).map((document) => {
  assertEquals(document.errors, []);
  return document.toJS();
});

function find(kind: string, name: string): Resource {
  return resources.find((resource) => resource.kind === kind && resource.metadata.name === name)!;
}

function containerOf(resource: Resource): Container {
  return resource.spec.template!.spec.containers[0]!;
}

Deno.test("the manifests for Kubernetes have the images of compose.yaml", async () => {
  const { image } = (await readCompose({})).services["redis-1"]!;
  const containers = resources.flatMap(({ spec }) => spec.template?.spec.containers ?? []);
  assertEquals(
    containers.map(({ image }) => image),
    [image, image, `redis-cluster-nat:${project.version}`],
  );
});

Deno.test("the services of Kubernetes select the pods that they are for", () => {
  for (const [kind, name] of [["StatefulSet", "redis"], ["Deployment", "redis-cluster-nat"]]) {
    const { labels } = find(kind!, name!).spec.template!.metadata!;
    assertEquals(find("Service", name!).spec.selector, labels);
    assertEquals(find(kind!, name!).spec.selector, { matchLabels: labels });
  }
});

Deno.test("the proxy of Kubernetes has no rights that it does not need", () => {
  const { securityContext } = containerOf(find("Deployment", "redis-cluster-nat"));
  // What the standard "restricted" of Kubernetes asks for, and a root directory that stays as it is.
  assertEquals(securityContext, {
    runAsNonRoot: true,
    readOnlyRootFilesystem: true,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ["ALL"] },
    seccompProfile: { type: "RuntimeDefault" },
  });
});

/** The shortest time after which a load balancer of a large cloud forgets an idle connection. */
const SHORTEST_IDLE_TIMEOUT_S = 240;

Deno.test("the proxy of Kubernetes probes idle connections before load balancers forget", async () => {
  const { sysctls } = find("Deployment", "redis-cluster-nat").spec.template!.spec.securityContext!;
  const values = new Map(sysctls.map(({ name, value }) => [name, Number(value)]));
  // Those that Kubernetes has as safe, so that no node needs to allow them.
  assertEquals(
    [...values.keys()],
    ["time", "intvl", "probes"].map((name) => `net.ipv4.tcp_keepalive_${name}`),
  );
  assert(values.get("net.ipv4.tcp_keepalive_time")! < SHORTEST_IDLE_TIMEOUT_S);
  const readme = await Deno.readTextFile(new URL("../../../README.md", import.meta.url));
  for (const { name, value } of sysctls) {
    assertStringIncludes(readme, `- { name: ${name}, value: "${value}" }`);
  }
});

Deno.test("in Kubernetes every node has a port of the proxy and of its service", async () => {
  const nodes = find("StatefulSet", "redis").spec;
  const proxy = containerOf(find("Deployment", "redis-cluster-nat"));
  const settings = new Map(proxy.env!.map(({ name, value }) => [name, value!]));
  const known = OPTIONS.map(({ variable }) => variable);
  for (const name of settings.keys()) assert(known.includes(name), name);
  const ports = Array.from({ length: nodes.replicas! }, (_, index) => 8000 + index);
  const hosts = ports.map((_, index) => `redis-${index}.${nodes.serviceName}:6379`);
  assertEquals(settings.get("MAX_NODES"), `${ports.length}`);
  assertEquals(
    settings.get("PORT_MAP"),
    hosts.map((host, index) => `${host}=${ports[index]}`).join(","),
  );
  assertEquals(proxy.ports!.map(({ containerPort }) => containerPort), ports);
  const service = find("Service", "redis-cluster-nat").spec;
  assertEquals(service.ports!.map(({ port }) => port), ports);

  const script = containerOf(find("Job", "create-cluster")).command!.at(-1)!;
  assertEquals(await run(["sh", "-n"], script), { code: 0, output: "" });
  assertEquals(script.match(/\S+:6379/g), hosts);
  assertMatch(script, /--cluster-replicas 1 --cluster-yes\n$/);
});
