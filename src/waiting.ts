/**
 * What comes of a promise within some time, or undefined: the promise then goes on by itself, and
 * nobody hears how it ends.
 *
 * @param limitMs Infinity waits for as long as it takes
 */
export async function atMost<T>(limitMs: number, promise: Promise<T>): Promise<T | undefined> {
  if (limitMs === Infinity) return await promise;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), Math.max(0, limitMs));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
    promise.catch(() => {});
  }
}
