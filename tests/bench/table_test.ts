import { assertEquals } from "@std/assert";
import { RESULTS } from "./sample.ts";
import { formatTable } from "./table.ts";

Deno.test("a table has units, spreads, and what is to be said of the goals", () => {
  assertEquals(
    formatTable(RESULTS),
    `\
                      node     HAProxy     relay      proxy     proxy/HAProxy       proxy/relay               goal
requests/s         40000/s     20000/s   19500/s    19000/s  0.95 (0.95-0.95)  0.97 (0.97-0.97)             ≥ 0.90      met
p99 <a & b>        1.00 ms     2.00 ms   3.00 ms    7.13 ms  3.56 (3.56-3.56)  2.38 (2.38-2.38)             ≤ 1.20  not met
memory                   -     3.0 KiB  33.0 KiB    8.3 KiB  2.75 (2.75-2.75)  0.25 (0.25-0.25)           ≤ 12 KiB      met
start                    -    40.00 ms         -  140.00 ms  3.50 (3.50-3.50)                 -  ≤ 150 ms compiled
bytes/s         4096 MiB/s  1024 MiB/s         -  512 MiB/s  0.50 (0.50-0.50)                 -
processor time           -    1.55 s/M         -   2.30 s/M  1.50 (1.25-1.75)                 -`,
  );
});
