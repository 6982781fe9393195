/** Timers count in 32 bits: one that is longer ends at once. In milliseconds, 24 days. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * What comes of a promise within some time, or undefined: the promise then goes on by itself, and
 * nobody hears how it ends.
 *
 * @param limitMs no more than LONGEST_TIMER_MS counts, but Infinity waits for as long as it takes
 */
export async function withTimeout<T>(limitMs: number, promise: Promise<T>): Promise<T | undefined> {
  if (limitMs === Infinity) return await promise;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    const timerMs = Math.min(Math.max(0, limitMs), LONGEST_TIMER_MS);
    timer = setTimeout(() => resolve(undefined), timerMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
    promise.catch(() => {});
  }
}
