/** Between two looks at a condition: short against what is waited for, long against a look. */
const PAUSE_MS = 15;

/**
 * Waits until `condition` gives a truthy value and returns that. A condition that throws does
 * not hold yet; one that calls `saw` decides what the error shows if it never does.
 *
 * @throws {Error} when `deadlineMs` have passed, naming `what` and the last thing seen
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
      const value = await within(`look at ${what}`, Promise.resolve(condition(saw)), leftMs);
      if (value) return value;
      seen ??= value;
    } catch (error) {
      // The last look is often one that the deadline cuts short.
      if (performance.now() >= end) seen ??= before;
      seen = seen === undefined ? error : `${show(seen)}, then ${show(error)}`;
    }
    if (performance.now() >= end) {
      throw new Error(`Waited ${deadlineMs} ms in vain until ${what}: saw ${show(seen)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/**
 * Waits for a promise, but not for ever.
 *
 * @throws {Error} when `deadlineMs` have passed, naming `what`; the promise goes on by itself
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
