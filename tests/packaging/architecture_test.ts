import { assert, assertEquals } from "@std/assert";
import { dirname } from "node:path";
import { ROOT } from "../support/compiler.ts";
import { run } from "../support/program.ts";

const SOURCE = new URL("../../src/", import.meta.url).href;

/** The modules that start a thread, and from which all others are imported. */
const ENTRIES = ["main.ts", "workers/worker.ts"];

const BELOW_NAT = ["commands", "cluster", "tls", "tunnel", "resp", "platform"];

/**
 * The layers of src, and the layers that each may import:
 *
 *     main → cli → { workers, http } → proxy → { relay → rewrite, nat } → { commands, cluster → { tls, tunnel } } → resp
 *
 * All but resp may import platform. relay does not know the cluster.
 */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  resp: [],
  platform: [],
  tls: ["platform"],
  tunnel: ["platform"],
  commands: ["resp", "platform"],
  cluster: ["tls", "tunnel", "resp", "platform"],
  nat: ["commands", "cluster", "resp", "platform"],
  rewrite: ["commands", "cluster", "resp", "platform"],
  relay: ["rewrite", "commands", "resp", "platform"],
  proxy: ["relay", "rewrite", "nat", ...BELOW_NAT],
  workers: ["proxy", "relay", "rewrite", "nat", ...BELOW_NAT],
  http: ["proxy", "relay", "rewrite", "nat", ...BELOW_NAT],
  cli: ["http", "workers", "proxy", "relay", "rewrite", "nat", ...BELOW_NAT],
  main: ["cli"],
};

interface ModuleInfo {
  readonly specifier: string;
  readonly dependencies?: readonly {
    readonly specifier: string;
    readonly code?: { readonly specifier?: string };
    readonly type?: { readonly specifier?: string };
    /** Whether it is loaded by a call of `import`. */
    readonly isDynamic?: boolean;
  }[];
}

/** The modules of src by path, and the modules that each imports, types included. */
const imports = new Map<string, ReadonlySet<string>>();

/** The specifiers that each module of src loads before it runs, as they stand there or as paths. */
const loads = new Map<string, readonly string[]>();

for (const entry of ENTRIES) {
  const command = [Deno.execPath(), "info", "--json", `src/${entry}`];
  const { output } = await run(command, "", { cwd: ROOT });
  const { modules }: { modules: readonly ModuleInfo[] } = JSON.parse(output);
  for (const { specifier, dependencies = [] } of modules) {
    if (!specifier.startsWith(SOURCE)) continue;
    const imported = dependencies.flatMap(({ code, type }) => [code?.specifier, type?.specifier])
      .filter((target) => target?.startsWith(SOURCE)).map((target) => pathOf(target!));
    imports.set(pathOf(specifier), new Set(imported));
    const loaded = dependencies.filter(({ code, isDynamic }) => code !== undefined && !isDynamic);
    loads.set(
      pathOf(specifier),
      loaded.map(({ code, specifier }) => pathOf(code?.specifier ?? specifier)),
    );
  }
}

function pathOf(specifier: string): string {
  return specifier.startsWith(SOURCE) ? specifier.slice(SOURCE.length) : specifier;
}

function layerOf(path: string): string {
  return dirname(path) === "." ? path.replace(/\.ts$/, "") : path.split("/")[0]!;
}

Deno.test("a layer imports only layers below it", () => {
  const violations: string[] = [];
  for (const [path, imported] of imports) {
    for (const target of imported) {
      const [from, to] = [layerOf(path), layerOf(target)];
      if (from !== to && !LAYERS[from]?.includes(to)) violations.push(`${path} → ${target}`);
    }
  }
  assertEquals(violations, []);
});

Deno.test("layers form no cycle, and every folder of src is one", () => {
  const above = new Set<string>();
  for (const [layer, below] of Object.entries(LAYERS)) {
    // Each imports only layers that stand above it in this table.
    assertEquals(below.filter((other) => !above.has(other)), [], layer);
    above.add(layer);
  }
  const layers = [...imports.keys()].map(layerOf).filter((layer) => !above.has(layer));
  assertEquals(layers, []);
});

Deno.test("modules form no cycle", () => {
  const cycles: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]) => {
    const at = way.indexOf(path);
    if (at >= 0) cycles.push([...way.slice(at), path].join(" → "));
    if (at >= 0 || done.has(path)) return;
    for (const target of imports.get(path) ?? []) visit(target, [...way, path]);
    done.add(path);
  };
  for (const path of imports.keys()) visit(path, []);
  assertEquals(cycles, []);
});

Deno.test("the relay imports no log", () => {
  const importers = [...imports].filter(([, imported]) => imported.has("platform/log.ts"));
  assertEquals(importers.map(([path]) => path).filter((path) => layerOf(path) === "relay"), []);
});

Deno.test("only platform/net.ts opens sockets", async () => {
  const callers: string[] = [];
  for (const path of imports.keys()) {
    const text = await Deno.readTextFile(new URL(path, SOURCE));
    if (/\bDeno\.(listen|connect)/.test(text)) callers.push(path);
  }
  assertEquals(callers, ["platform/net.ts"]);
});

/** The modules that these load before they run, with themselves. */
function loadedBy(entries: readonly string[]): ReadonlySet<string> {
  const loaded = new Set(entries);
  // The set grows while it is iterated over.
  for (const path of loaded) for (const target of loads.get(path) ?? []) loaded.add(target);
  return loaded;
}

Deno.test("cryptography is loaded only if an option asks for TLS", () => {
  const loaded = loadedBy(["cli/serve.ts", "cli/check.ts", "cli/healthcheck.ts", ...ENTRIES]);
  assert(loaded.has("proxy/session.ts"));
  assertEquals([...loaded].filter((target) => /^node:(tls|crypto|https?)$/.test(target)), []);
});

Deno.test("what an option asks for is loaded only with that option", () => {
  const loaded = [...loadedBy(["main.ts", "cli/serve.ts"])];
  assertEquals(loaded.filter((path) => ["http", "workers"].includes(layerOf(path))), []);
  const single = [
    "cli/help.ts",
    "cli/program_tls.ts",
    "cluster/shared_hash.ts",
    "nat/mapping_files.ts",
    "nat/public_ports_file.ts",
    "nat/shared_ports_keeper.ts",
    "nat/state_file.ts",
    "node:path",
    "platform/atomic_file.ts",
    "tunnel/tunnel.ts",
  ];
  assertEquals(single.filter((path) => loaded.includes(path)), []);
});

Deno.test("a command is loaded only if it runs", () => {
  const loaded = [...loadedBy(["main.ts"])];
  assertEquals(loaded.filter((path) => layerOf(path) === "proxy" || path === "cli/serve.ts"), []);
});
