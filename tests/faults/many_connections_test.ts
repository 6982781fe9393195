import { assert, assertEquals } from "@std/assert";
import { toLatin1 } from "../../src/resp/bytes.ts";
import { encodeRequest } from "../../src/resp/frame.ts";
import { RedisCluster } from "../support/cluster.ts";
import { NatProcess } from "../support/nat_process.ts";
import { WireClient } from "../support/wire.ts";

const AT = "127.0.0.1";

/** As many as the machine allows, if that is less. */
const WANTED = 10_000;

/** Descriptors of a program that are not those of clients. */
const OTHER_DESCRIPTORS = 200;

/** Connections that are made, or asked something, at the same time: fewer than a backlog takes. */
const AT_ONCE = 200;

/** What a client that rests may cost: its two sockets, a small buffer and a read for each. */
const LIMIT_EACH_BYTES = 12 * 1024;

/** By how much the heap of a program that has just started grows whatever it does. */
const WARM_UP_BYTES = 16 * 1024 * 1024;

/** For as many clients to be told the end and to leave, on a machine that may be busy. */
const DRAIN_MS = 8_000;

const PING = encodeRequest(["PING"]);

/** How many files and sockets a process of this user may open. */
async function descriptorLimit(): Promise<number> {
  const limits = await Deno.readTextFile("/proc/self/limits");
  const [, soft] = /^Max open files\s+(\d+)/m.exec(limits)!;
  return Number(soft);
}

async function ping(client: Deno.TcpConn): Promise<void> {
  await client.write(PING);
  const buffer = new Uint8Array(16);
  const read = await client.read(buffer);
  assertEquals(toLatin1(buffer.subarray(0, read ?? 0)), "+PONG\r\n");
}

async function inBatches<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let first = 0; first < items.length; first += AT_ONCE) {
    results.push(...await Promise.all(items.slice(first, first + AT_ONCE).map(work)));
  }
  return results;
}

Deno.test({
  name: "ten thousand clients are served at once, told the end in order, and cost little",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const limit = await descriptorLimit();
    const count = Math.min(WANTED, Math.floor((limit - OTHER_DESCRIPTORS) / 2));
    if (count < WANTED) {
      console.log(`${count} clients, not ${WANTED}: a process may open ${limit} files (ulimit -n)`);
    }
    await using cluster = await RedisCluster.start({
      primaries: 1,
      replicasEach: 0,
      directives: { "maxclients": `${count + OTHER_DESCRIPTORS / 2}`, "tcp-backlog": "511" },
    });
    const node = cluster.nodes[0]!;
    const grace = "--shutdown-grace=60s";
    const flags = [`--cluster-addr=${node.address}`, `--listen-addr=${AT}:0`, grace];
    await using nat = await new NatProcess(flags).ready();
    const port = nat.mapping.get(node.address)!;
    {
      using first = await WireClient.connect(AT, port);
      await first.ask("CLUSTER", "SLOTS");
    }
    const beforeBytes = await nat.residentBytes();
    const clients: Deno.TcpConn[] = [];
    using _closing = { [Symbol.dispose]: () => clients.forEach((client) => client.close()) };
    await inBatches(Array.from({ length: count }), async () => {
      const client = await Deno.connect({ hostname: AT, port });
      clients.push(client);
      await ping(client);
    });
    const grownBytes = await nat.residentBytes() - beforeBytes;
    console.log(`${count} clients at rest, ${Math.round(grownBytes / count)} bytes each`);
    const limitBytes = WARM_UP_BYTES + count * LIMIT_EACH_BYTES;
    assert(grownBytes < limitBytes, `${count} clients take ${grownBytes} bytes`);
    await inBatches(clients, ping);

    const stoppedMs = performance.now();
    nat.signal("SIGTERM");
    await Promise.all(clients.map(async (client) => {
      assertEquals(await client.read(new Uint8Array(16)), null);
      await client.closeWrite();
    }));
    const { code, stderr } = await nat.ended();
    const tookMs = Math.round(performance.now() - stoppedMs);
    console.log(`all of them were told the end within ${tookMs} ms`);
    assertEquals(code, 0, stderr);
    assert(!/ (WARN|ERR)/.test(stderr), stderr);
    assert(tookMs < DRAIN_MS, `It took ${tookMs} ms`);
  },
});
