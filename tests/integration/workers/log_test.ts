import { assertEquals } from "@std/assert";
import { RedisCluster } from "../../support/cluster.ts";
import { connectIn, ON_LINUX, threadedNat } from "./threaded.ts";

const LINES = 100;

/** More than the buffer of a pipe, so a line takes several writes. */
const LONG = "x".repeat(100_000);

Deno.test("log lines of several threads do not interleave", ON_LINUX, async () => {
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const node = cluster.nodes[0]!;
  await using nat = await threadedNat(node, ["--debug", "--read-buffer-byte-size=262144"]).ready();
  const port = nat.mapping.get(node.address)!;
  await Promise.all([1, 2].map(async (thread) => {
    using client = await connectIn(thread, nat, port);
    for (let at = 0; at < LINES; at++) await client.ask("ECHO", `${thread}${LONG}`);
  }));
  nat.signal("SIGTERM");
  const { stderr } = await nat.ended();
  const lines = stderr.trimEnd().split("\n").map((line) => JSON.parse(line));
  for (const thread of [1, 2]) {
    const echoed = lines.filter((line) =>
      line.thread === thread && line.message.includes(`${thread}xxx`)
    );
    assertEquals(echoed.length >= 2 * LINES, true, `${echoed.length} lines of thread ${thread}`);
  }
});
