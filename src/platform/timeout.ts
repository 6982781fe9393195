/** The longest delay of a timer, 24 days: one that does not fit 32 bits fires at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * The value of a promise, or undefined if it is not settled within `limitMs`. The promise then
 * continues, and a later rejection is ignored.
 *
 * @param limitMs MAX_TIMER_MS at most; Infinity waits without a limit
 */
export async function withTimeout<T>(promise: Promise<T>, limitMs: number): Promise<T | undefined> {
  if (limitMs === Infinity) return await promise;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const expired = new Promise<undefined>((resolve) => {
    const timerMs = Math.min(Math.max(0, limitMs), MAX_TIMER_MS);
    timer = setTimeout(() => resolve(undefined), timerMs);
  });
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
    promise.catch(() => {});
  }
}
