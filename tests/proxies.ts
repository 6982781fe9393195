/**
 * `deno task proxies --minutes 3`: three proxies that share their ports, behind HAProxy, in front of
 * a real cluster, each on a machine of its own. Makes the machines, on one of which
 * live/proxies_run.ts does the rest.
 */
import { fileURLToPath } from "node:url";
import { createMachines } from "./live/fleet_machines.ts";
import { LOAD_CLIENT } from "./live/load_process.ts";
import type { RunOptions } from "./live/proxies_run.ts";
import { missingHaProxy } from "./support/haproxy.ts";
import { fetchModules, Namespace } from "./support/namespace.ts";
import { integerOf, readArguments, runTask, UsageError } from "./support/task.ts";

const RUN = fileURLToPath(new URL("live/proxies_run.ts", import.meta.url));

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));

const USAGE = `Usage: deno task proxies [options]
  --minutes N  duration, 3 by default
  --seed N     seed of all that is random

Needs Linux, root, ip (iproute2) and haproxy.`;

async function main(): Promise<number> {
  const { minutes = "3", seed } = readArguments(Deno.args, ["minutes", "seed"]);
  if (!(Number(minutes) > 0)) throw new UsageError(`--minutes needs more than 0, not '${minutes}'`);
  const number = integerOf("seed", seed ?? Math.floor(Math.random() * 2 ** 32));
  const hindrance = await Namespace.hindrance() ?? await missingHaProxy();
  if (hindrance !== undefined) {
    console.error(`Cannot make machines for the proxies: ${hindrance.trim()}`);
    return 1;
  }
  await fetchModules(RUN, LOAD_CLIENT, MAIN);
  await using stack = new AsyncDisposableStack();
  const { nodes, machines } = await createMachines(stack);
  const options: RunOptions = { minutes: Number(minutes), seed: number, machines };
  const [program, ...before] = nodes.before;
  const args = [...before, Deno.execPath(), "run", "-A", RUN, JSON.stringify(options)];
  const child = new Deno.Command(program!, { args, stdin: "null" }).spawn();
  const interrupted = new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, resolve);
  });
  // In any case the machines are removed, with all that runs there.
  const status = await Promise.race([child.status, interrupted]);
  return status?.code ?? 1;
}

if (import.meta.main) await runTask(USAGE, main);
