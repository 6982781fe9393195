/** Whether the kernel shows unread bytes of sockets: Linux with glibc. */
export const CAN_READ_SOCKETS = Deno.build.os === "linux";

const LIBC = {
  syscall: { parameters: ["i64", "i64", "i64", "i64"], result: "i64" },
  ioctl: { parameters: ["i32", "u64", "buffer"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
} as const;

const libc = CAN_READ_SOCKETS ? Deno.dlopen("libc.so.6", LIBC) : undefined;

/** The same on all architectures (asm-generic/unistd.h). */
const SYS_PIDFD_OPEN = 434n;
const SYS_PIDFD_GETFD = 438n;

/** The number of unread bytes of a socket (asm-generic/ioctls.h). */
const FIONREAD = 0x541bn;

/** The state of an established connection in /proc/net/tcp. */
const ESTABLISHED = "01";

/** The number of unread bytes of a socket of another process. */
export function unreadBytes(pid: number, descriptor: number): number {
  const { syscall, ioctl, close } = libc!.symbols;
  const process = Number(syscall(SYS_PIDFD_OPEN, BigInt(pid), 0n, 0n));
  if (process < 0) throw new Error(`Cannot look into the process ${pid}`);
  // A copy that stayed open would keep the process from closing the connection.
  const args = [BigInt(process), BigInt(descriptor), 0n] as const;
  const copy = Number(syscall(SYS_PIDFD_GETFD, ...args));
  close(process);
  if (copy < 0) return 0;
  const bytes = new Int32Array(1);
  const failed = ioctl(copy, FIONREAD, new Uint8Array(bytes.buffer)) < 0;
  close(copy);
  return failed ? 0 : bytes[0]!;
}

/** The number of unread bytes between two IP addresses. */
export async function unreadFrom(peer: string, host: string): Promise<number> {
  const table = await Deno.readTextFile("/proc/net/tcp");
  const [local, remote] = [`${hexOf(host)}:`, `${hexOf(peer)}:`];
  let bytes = 0;
  for (const line of table.split("\n")) {
    const [, to, from, state, queues] = line.trim().split(/\s+/);
    if (state !== ESTABLISHED || !to!.startsWith(local) || !from!.startsWith(remote)) continue;
    bytes += parseInt(queues!.split(":")[1]!, 16);
  }
  return bytes;
}

/** Whether a process is stopped. */
export async function isStopped(pid: number): Promise<boolean> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(")") + 2).startsWith("T");
}

function hexOf(host: string): string {
  const bytes = host.split(".").map((part) => Number(part).toString(16).padStart(2, "0"));
  return bytes.reverse().join("").toUpperCase();
}
