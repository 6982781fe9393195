/** Number of threads of proxies in tests, unless a test sets it. */
export const THREADS = Number(Deno.env.get("THREADS") ?? "1");
