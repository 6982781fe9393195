/** The pause between two checks of a condition. */
const PAUSE_MS = 15;

/**
 * Waits until `condition` returns a truthy value, and returns that. A condition that throws does
 * not hold yet; it calls `saw` to set what the error shows.
 *
 * @throws {Error} after `deadlineMs`, with `what` and the last value seen
 */
export async function until<T>(
  what: string,
  condition: (saw: (thing: unknown) => void) => Awaitable<T | Falsy>,
  deadlineMs = 10_000,
): Promise<T> {
  const end = performance.now() + deadlineMs;
  let seen: unknown;
  const saw = (thing: unknown) => seen = thing;
  for (;;) {
    const before = seen;
    try {
      seen = undefined;
      const leftMs = Math.max(1, end - performance.now());
      const value = await within(`check whether ${what}`, Promise.resolve(condition(saw)), leftMs);
      if (value) return value;
      seen ??= value;
    } catch (error) {
      // The deadline often cuts the last check short.
      if (performance.now() >= end) seen ??= before;
      seen = seen === undefined ? error : `${show(seen)}, then ${show(error)}`;
    }
    if (performance.now() >= end) {
      throw new Error(`Not true after ${deadlineMs} ms: ${what}; last seen: ${show(seen)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/**
 * Waits until `measure` returns the same value again and again, and returns it.
 *
 * @param checks how often in a row, some milliseconds apart
 */
export async function untilStable<T>(
  what: string,
  measure: () => Awaitable<T>,
  { checks = 20, deadlineMs = 15_000 } = {},
): Promise<T> {
  let last: T | undefined;
  let same = 0;
  await until(`${what} is stable`, async (saw) => {
    const value = await measure();
    saw(value);
    same = value === last ? same + 1 : 0;
    last = value;
    return same >= checks;
  }, deadlineMs);
  return last!;
}

/**
 * Waits for a promise with a deadline.
 *
 * @throws {Error} after `deadlineMs`, with `what`; the promise stays pending
 */
export async function within<T>(
  what: string,
  promise: Promise<T>,
  deadlineMs: number,
): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`Cannot ${what} within ${Math.round(deadlineMs)} ms`)),
    deadlineMs,
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

type Awaitable<T> = T | Promise<T>;
type Falsy = undefined | null | false | 0 | "";

function show(thing: unknown): string {
  if (thing instanceof Error) return `${thing.name}: ${thing.message}`;
  return typeof thing === "string" ? thing : Deno.inspect(thing);
}
