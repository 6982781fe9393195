import { assert, assertEquals } from "@std/assert";
import { RedisCluster } from "../support/cluster.ts";
import { nodeFlags, publicFlags } from "../support/cluster_tls.ts";
import { NatProcess } from "../support/nat_process.ts";
import { onLinux } from "../support/platform.ts";
import { isGone, writeAll } from "../../src/platform/net.ts";
import { THREADS } from "../support/threads.ts";
import { secure, type TestConnection } from "../support/tls.ts";
import { changing } from "../support/tls_scene.ts";
import { until } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";

const AT = "127.0.0.1";

/** Concurrent clients. */
const LANES = 32;

/** The heap gets the size that the load needs by the first ones. */
const WARM_UP = 2_000;
const HANDSHAKES = 10_000;

const MIB = 1024 * 1024;

/** The limit for each thread. One leaked buffer of 16 KiB for each handshake would be 160 MiB. */
const GROWTH_LIMIT_BYTES = 40 * MIB;

/** A fatal alert, by which a client refuses the certificate. */
const ALERT = new Uint8Array([21, 3, 3, 0, 2, 2, 48]);

type Abort = (tcp: Deno.TcpConn, hello: Uint8Array) => Promise<void>;

/** The moments at which clients leave, in the order of the handshake. */
const MOMENTS: Readonly<Record<string, Abort>> = {
  "before the first byte": () => Promise.resolve(),
  "within the first record": (tcp, hello) => writeAll(tcp, hello.subarray(0, 100)),
  // The answer of the proxy makes the kernel reset the connection.
  "before the answer": (tcp, hello) => writeAll(tcp, hello),
  async "after the first byte of the answer"(tcp, hello) {
    await writeAll(tcp, hello);
    await tcp.read(new Uint8Array(1));
  },
  async "by an alert"(tcp, hello) {
    await writeAll(tcp, hello);
    await tcp.read(new Uint8Array(8192));
    await writeAll(tcp, ALERT);
  },
  async "when it is complete"(tcp) {
    await secure(passing(tcp), AT);
  },
};

/** A connection that the caller closes. */
function passing(tcp: Deno.TcpConn): TestConnection {
  return changing(tcp, { close: () => {} });
}

/** The first flight of a client. */
async function recordHello(port: number): Promise<Uint8Array> {
  using tcp = await Deno.connect({ hostname: AT, port });
  let hello: Uint8Array | undefined;
  await secure(
    changing(tcp, {
      write: (bytes) => {
        hello ??= bytes.slice();
        return tcp.write(bytes);
      },
    }),
    AT,
  );
  return hello!;
}

async function abortHandshakes(count: number, port: number, hello: Uint8Array): Promise<void> {
  const moments = Object.values(MOMENTS);
  let begun = 0;
  await Promise.all(Array.from({ length: LANES }, async () => {
    while (begun < count) {
      const abort = moments[begun++ % moments.length]!;
      using tcp = await Deno.connect({ hostname: AT, port });
      try {
        await abort(tcp, hello);
      } catch (error) {
        // The proxy may have closed it first.
        if (!isGone(error)) throw error;
      }
    }
  }));
}

onLinux.test("ten thousand handshakes that clients abort leave nothing", async () => {
  await using cluster = await RedisCluster.start({ tls: "only", primaries: 1, replicasEach: 0 });
  const { certificates, nodes: [node] } = cluster;
  const flags = [...publicFlags(certificates), ...nodeFlags(certificates)];
  await using nat = await NatProcess.serve(node!, flags);
  const port = nat.portOf(node!);
  using served = new WireClient(
    await secure(await Deno.connect({ hostname: AT, port }), AT),
  );
  await served.ask("PING");
  const hello = await recordHello(port);
  const before = nat.descriptors;
  await abortHandshakes(WARM_UP, port, hello);
  const beforeBytes = await nat.residentBytes();
  await abortHandshakes(HANDSHAKES, port, hello);
  await until("all descriptors are given back", (saw) => {
    saw(`${nat.descriptors}, ${before} before`);
    return nat.descriptors <= before;
  });
  const grownBytes = await nat.residentBytes() - beforeBytes;
  assert(grownBytes < GROWTH_LIMIT_BYTES * THREADS, `The program grew by ${grownBytes} bytes`);
  assertEquals(await served.ask("PING"), { type: "+", text: "PONG" });
  // Each thread throttles its own log, and repeats a line after a minute.
  const first = / Closing client (?!.* times more\)$)/;
  const lines = nat.stderr.split("\n").filter((line) => first.test(line));
  assert(lines.length <= THREADS, lines.join("\n"));
});
