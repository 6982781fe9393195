import { assert, assertEquals } from "@std/assert";
import { toLatin1 } from "../../src/resp/bytes.ts";
import { encodeRequest } from "../../src/resp/frame.ts";
import { RedisCluster } from "../support/cluster.ts";
import { NatProcess } from "../support/nat_process.ts";
import { onLinux } from "../support/platform.ts";
import { readDescriptorLimit } from "../support/processes.ts";
import { THREADS } from "../support/threads.ts";
import { connectToProxy, type TestConnection, TLS_IDLE_BYTES } from "../support/tls.ts";

const AT = "127.0.0.1";

/** Fewer if the limit of file descriptors is lower. */
const WANTED = 10_000;

/** File descriptors of a program besides those of clients. */
const OTHER_DESCRIPTORS = 200;

/** Concurrent connects or requests: fewer than the accept queue holds. */
const AT_ONCE = 200;

/** The limit for an idle client: two sockets, a small buffer and a read for each. */
const LIMIT_EACH_BYTES = 12 * 1024 + TLS_IDLE_BYTES;

/** Growth of the heaps of any program that has just started: one for each thread. */
const WARM_UP_BYTES = 16 * 1024 * 1024 * THREADS;

/** For closing all clients on a busy machine. */
const DRAIN_MS = 8_000;

const PING = encodeRequest(["PING"]);

async function ping(client: TestConnection): Promise<void> {
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

onLinux.test("ten thousand clients are served at once with little memory, and closed without a reset", async () => {
  const limit = readDescriptorLimit()!;
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
  await using nat = await NatProcess.serveWarm(node, ["--shutdown-grace=60s"]);
  const port = nat.portOf(node);
  const beforeBytes = await nat.residentBytes();
  const clients: TestConnection[] = [];
  using _closing = { [Symbol.dispose]: () => clients.forEach((client) => client.close()) };
  await inBatches(Array.from({ length: count }), async () => {
    const client = await connectToProxy(AT, port);
    clients.push(client);
    await ping(client);
  });
  const grownBytes = await nat.residentBytes() - beforeBytes;
  const limitBytes = WARM_UP_BYTES + count * LIMIT_EACH_BYTES;
  assert(grownBytes < limitBytes, `${count} clients take ${grownBytes} bytes`);
  await inBatches(clients, ping);

  const stoppedMs = performance.now();
  nat.signal("SIGTERM");
  await Promise.all(clients.map(async (client) => {
    assertEquals(await client.read(new Uint8Array(16)), null);
    await client.closeWrite();
  }));
  await nat.endedInOrder();
  const tookMs = Math.round(performance.now() - stoppedMs);
  assert(tookMs < DRAIN_MS, `It took ${tookMs} ms`);
});
