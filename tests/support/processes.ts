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

/** The states of sockets in /proc/net/tcp (net/tcp_states.h). */
const SYN_SENT = "02";
const LISTEN = "0A";

/**
 * The local ports of the sockets in a state that have these ports, in hexadecimal. It runs in the
 * thread of proxies, and the machine may have tens of thousands of closed sockets, so it splits no
 * other line. Linux only.
 */
function findSockets(state: string, { local = ANY_PORT, remote = ANY_PORT }): string[] {
  const pattern = new RegExp(`:(${local}) [0-9A-F]{8}:${remote} ${state} `, "g");
  const table = Deno.readTextFileSync("/proc/net/tcp");
  return Array.from(table.matchAll(pattern), ([, port]) => port!);
}

const ANY_PORT = "[0-9A-F]{4}";

function hexOf(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, "0");
}

/** The number of sockets that listen on a port. Linux only. */
export function countListeners(port: number): number {
  return findSockets(LISTEN, { local: hexOf(port) }).length;
}

/** The local ports of pending connection attempts to a port. Linux only. */
export function attemptsTo(port: number): string[] {
  return findSockets(SYN_SENT, { remote: hexOf(port) });
}
