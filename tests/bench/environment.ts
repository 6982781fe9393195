import { textOf } from "../../src/resp/frame.ts";
import type { ClusterNode } from "../support/cluster.ts";
import { run } from "../support/program.ts";

/** The machine and the programs of a run. */
export interface Environment {
  readonly cores: number;
  readonly processor: string;
  readonly system: string;
  /** The load average before the benchmark began. */
  readonly load: number;
  /** Names of programs and their versions. */
  readonly programs: readonly string[];
}

/** Describes the machine. Call it first: the benchmark adds to the load average. Linux only. */
export async function lookAround(): Promise<Omit<Environment, "programs">> {
  const processors = await Deno.readTextFile("/proc/cpuinfo");
  const [, processor = Deno.build.arch] = /^model name\s*: (.*)$/m.exec(processors) ?? [];
  // Distributions add suffixes to the version.
  const [release] = /^\d+\.\d+/.exec(Deno.osRelease()) ?? ["unknown"];
  return {
    cores: navigator.hardwareConcurrency,
    processor,
    system: `Linux ${release}`,
    load: Deno.loadavg()[0]!,
  };
}

/** The versions of the measured programs. */
export async function listPrograms(node: ClusterNode): Promise<string[]> {
  const { output } = await run(["haproxy", "-v"]);
  const [, haproxy = "unknown"] = /version (\d[\d.]*)/.exec(output) ?? [];
  const info = textOf(await node.ask("INFO", "server")) ?? "";
  // Valkey also claims to be a Redis.
  const [, valkey] = /^valkey_version:(\S+)/m.exec(info) ?? [];
  const [, redis] = /^redis_version:(\S+)/m.exec(info) ?? [];
  const server = valkey === undefined ? `Redis ${redis}` : `Valkey ${valkey}`;
  return [`Deno ${Deno.version.deno}`, `HAProxy ${haproxy}`, server];
}
