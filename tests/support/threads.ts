/** In how many threads the proxies of the tests serve clients that do not say it themselves. */
export const THREADS = Number(Deno.env.get("THREADS") ?? "1");
