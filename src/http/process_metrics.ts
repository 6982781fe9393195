import process from "node:process";
import type { Exposition } from "./exposition.ts";

/**
 * Adds what every Prometheus client library says about its process, under the same names. The file
 * descriptors are missing where the runtime may not read /proc, which takes all permissions.
 */
export function addProcessMetrics(exposition: Exposition): void {
  const { user, system } = process.cpuUsage();
  exposition.counter({
    name: "process_cpu_seconds_total",
    help: "CPU time of all threads, in user and kernel mode.",
  }, [[(user + system) / 1e6]]);
  exposition.gauge({
    name: "process_resident_memory_bytes",
    help: "Memory of the process that is in RAM.",
  }, [[Deno.memoryUsage().rss]]);
  exposition.gauge({
    name: "process_start_time_seconds",
    help: "When the process started, in seconds since 1970.",
  }, [[performance.timeOrigin / 1000]]);
  const descriptors = readDescriptors();
  if (descriptors === undefined) return;
  const { open, max } = descriptors;
  exposition.gauge({ name: "process_open_fds", help: "Open file descriptors." }, [[open]]);
  exposition.gauge({
    name: "process_max_fds",
    help: "How many file descriptors may be open (ulimit -n).",
  }, [[max]]);
}

function readDescriptors(): { open: number; max: number } | undefined {
  try {
    const open = [...Deno.readDirSync("/proc/self/fd")].length;
    const limits = Deno.readTextFileSync("/proc/self/limits");
    const [, max] = /^Max open files +(\d+|unlimited)/m.exec(limits) ?? [];
    return { open, max: max === "unlimited" ? Infinity : Number(max) };
  } catch {
    // Another system, or no permission.
    return undefined;
  }
}
