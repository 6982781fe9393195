import { seededRandom } from "./random.ts";

/** Below the ports of test clusters, which are below the ephemeral ports. */
const PORTS = { first: 5_000, count: 5_900 };

/** Finds consecutive ports that are free on all addresses, and returns the first. */
export function findFreePorts(count: number): number {
  const random = seededRandom(Math.random() * 2 ** 32);
  for (;;) {
    const first = PORTS.first + random.int(PORTS.count);
    using stack = new DisposableStack();
    try {
      for (let port = first; port < first + count; port++) {
        stack.use(Deno.listen({ hostname: "0.0.0.0", port }));
      }
      return first;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

/** Whether a connection to a port is refused. */
export async function isRefused(port: number, hostname = "127.0.0.1"): Promise<boolean> {
  try {
    (await Deno.connect({ hostname, port })).close();
    return false;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return true;
    throw error;
  }
}
