/** The unit of times in /proc: USER_HZ is 100 on all platforms of Deno. */
const TICK_SECONDS = 1 / 100;

/** The CPU time of all threads of a process so far, in seconds. Linux only. */
export async function processorSeconds(pid: number): Promise<number> {
  return parseProcessorSeconds(await Deno.readTextFile(`/proc/${pid}/stat`));
}

/** The same from a text such as /proc/PID/stat has (proc_pid_stat(5)). */
export function parseProcessorSeconds(stat: string): number {
  // The second field is the program's name in brackets, which may contain anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [user, system] = [Number(fields[11]), Number(fields[12])];
  if (!Number.isFinite(user + system)) throw new Error(`No processor time is in '${stat}'`);
  return (user + system) * TICK_SECONDS;
}

/** The resident memory of a process now, or its peak, in bytes. Linux only. */
export async function memoryBytes(pid: number, field: "VmRSS" | "VmHWM"): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return 1024 * Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)![1]);
}

/** The soft limit on file descriptors of this process; undefined where it cannot be read. */
export function readDescriptorLimit(): number | undefined {
  let limits: string;
  try {
    limits = Deno.readTextFileSync("/proc/self/limits");
  } catch {
    // Linux has the file, and shows it to a process with all permissions only.
    return undefined;
  }
  const [, soft] = /^Max open files +(\d+|unlimited) /m.exec(limits) ?? [];
  if (soft === undefined) return undefined;
  return soft === "unlimited" ? Infinity : Number(soft);
}

/** The sockets of the machine: local and remote port, and state (net/tcp_states.h). Linux only. */
function sockets(): { local: number; remote: number; state: number }[] {
  const lines = Deno.readTextFileSync("/proc/net/tcp").trimEnd().split("\n").slice(1);
  return lines.map((line) => {
    const [, local, remote, state] = line.trim().split(/\s+/);
    const portOf = (address: string) => Number.parseInt(address.split(":")[1]!, 16);
    return { local: portOf(local!), remote: portOf(remote!), state: Number.parseInt(state!, 16) };
  });
}

/** The number of sockets that listen on a port. Linux only. */
export function countListeners(port: number): number {
  return sockets().filter(({ local, state }) => local === port && state === 10).length;
}

/** The number of pending connection attempts to a port. Linux only. */
export function countAttempts(port: number): number {
  return sockets().filter(({ remote, state }) => remote === port && state === 2).length;
}
