import { readDescriptorLimit, residentBytes } from "../support/processes.ts";
import { until } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";
import type { ContenderName, Way } from "./contenders.ts";
import type { Row, Scenario, Stage } from "./scenario.ts";

/** How many connections rest, where the limit on descriptors lets them. */
const WANTED = 10_000;

/** Descriptors of a program besides those of clients, and connections to the node besides those. */
export const OTHER_DESCRIPTORS = 100;

/** They warm a program up: what it takes for its first clients is not what each of them takes. */
const FIRST_ONES = 500;

/** Opened at once: few enough for the queue of connections that a node has not accepted yet. */
const AT_ONCE = 64;

/** Memory goes up and down while garbage is collected; it rests when it has not for so long. */
const REST_MS = 1_000;

const REST_DEADLINE_MS = 60_000;

/** Memory has not changed if it has by less than that in the meantime, in bytes for each client. */
const REST_BYTES_EACH = 50;

/** Memory hardly differs from one round to the next, and takes longer to measure than all else. */
const ENOUGH_ROUNDS = 3;

/** How many connections rest at once: each takes two descriptors of the program in the way. */
export function countIdleClients(limit = readDescriptorLimit() ?? Infinity): number {
  return Math.min(WANTED, Math.floor((limit - OTHER_DESCRIPTORS) / 2));
}

/** What a program holds for a connection, on both sides, that has been used and now rests. */
export class IdleScenario implements Scenario {
  readonly name = "idle";
  readonly rows: readonly Row[];
  readonly mostRounds = ENOUGH_ROUNDS;
  readonly #count: number;

  constructor(count: number) {
    this.#count = count;
    this.rows = [{
      title: `memory for each of ${count} idle connections`,
      unit: "bytes",
      goal: { of: "figure", at: "most", bound: 12 * 1024 },
    }];
  }

  async measure(contender: ContenderName, { contenders }: Stage): Promise<(number | undefined)[]> {
    // What is of interest is what it takes at first, not what others have left to be used again.
    await using way = await contenders.start(contender);
    const { pid } = way;
    if (pid === undefined) return [undefined];
    using stack = new DisposableStack();
    await open(way, FIRST_ONES, stack);
    const before = await this.#bytesAtRest(pid);
    const more = this.#count - FIRST_ONES;
    await open(way, more, stack);
    return [(await this.#bytesAtRest(pid) - before) / more];
  }

  async #bytesAtRest(pid: number): Promise<number> {
    const seen: { bytes: number; atMs: number }[] = [];
    return await until("memory rests", async (saw) => {
      const [bytes, atMs] = [await residentBytes(pid), performance.now()];
      saw(bytes);
      const limitBytes = REST_BYTES_EACH * this.#count;
      if (seen.some((earlier) => Math.abs(earlier.bytes - bytes) > limitBytes)) seen.length = 0;
      seen.push({ bytes, atMs });
      return atMs - seen[0]!.atMs >= REST_MS && bytes;
    }, REST_DEADLINE_MS);
  }
}

/** Opens connections, each of which is used once. */
async function open({ host, port }: Way, count: number, stack: DisposableStack): Promise<void> {
  let left = count;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (left-- > 0) {
      const client = stack.use(await WireClient.connect(host, port));
      await client.ask("PING");
    }
  }));
}
