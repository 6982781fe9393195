import { memoryBytes, readDescriptorLimit } from "../support/processes.ts";
import { until } from "../support/until.ts";
import { connectTo, type Way } from "./contenders.ts";
import type { Scenario } from "./scenario.ts";

/** Number of idle connections, if the limit of file descriptors allows it. */
const WANTED = 10_000;

/** File descriptors of a program, and connections to the node, besides those of clients. */
export const OTHER_DESCRIPTORS = 100;

/** These warm the program up and are not measured. */
const FIRST_ONES = 500;

/** Opened at once: fewer than the accept queue of a node holds. */
const AT_ONCE = 64;

/** Memory counts as stable when it has not changed for this long. */
const REST_MS = 1_000;

const REST_DEADLINE_MS = 60_000;

/** Changes below this many bytes per client do not count. */
const REST_BYTES_EACH = 50;

/** Memory hardly differs between rounds, and takes long to measure. */
const ENOUGH_ROUNDS = 3;

/** Number of idle connections: each takes two file descriptors of the program in between. */
export function countIdleClients(limit = readDescriptorLimit() ?? Infinity): number {
  return Math.min(WANTED, Math.floor((limit - OTHER_DESCRIPTORS) / 2));
}

/**
 * The memory that a program holds for a connection that was used and is idle.
 *
 * @param limitBytes the goal for each connection
 */
export function idleScenario(
  { name, what, count, limitBytes, tls }:
    & Pick<Scenario, "name" | "tls">
    & { what: string; count: number; limitBytes: number },
): Scenario {
  return {
    name,
    tls,
    rows: [{
      title: `memory for each of ${count} idle connections${what}`,
      unit: "bytes",
      goal: { of: "figure", at: "most", bound: limitBytes },
    }],
    mostRounds: ENOUGH_ROUNDS,
    async measure(contender, { start }) {
      // A new process, whose heap has no room left by earlier work.
      await using way = await start(contender);
      const { pid } = way;
      if (pid === undefined) return [undefined];
      using stack = new DisposableStack();
      await open(way, FIRST_ONES, stack);
      const before = await bytesAtRest(pid, count);
      const more = count - FIRST_ONES;
      await open(way, more, stack);
      return [(await bytesAtRest(pid, count) - before) / more];
    },
  };
}

async function bytesAtRest(pid: number, clients: number): Promise<number> {
  const seen: { bytes: number; atMs: number }[] = [];
  return await until("memory is stable", async (saw) => {
    const [bytes, atMs] = [await memoryBytes(pid, "VmRSS"), performance.now()];
    saw(bytes);
    const limitBytes = REST_BYTES_EACH * clients;
    if (seen.some((earlier) => Math.abs(earlier.bytes - bytes) > limitBytes)) seen.length = 0;
    seen.push({ bytes, atMs });
    return atMs - seen[0]!.atMs >= REST_MS && bytes;
  }, REST_DEADLINE_MS);
}

/** Opens connections, and sends one request on each. */
async function open(way: Way, count: number, stack: DisposableStack): Promise<void> {
  let left = count;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (left-- > 0) {
      const client = stack.use(await connectTo(way));
      await client.ask("PING");
    }
  }));
}
