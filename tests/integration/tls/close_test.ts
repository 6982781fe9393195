import { assert, assertEquals, assertRejects } from "@std/assert";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { close, type Connection, isGone } from "../../../src/platform/net.ts";
import { TlsError } from "../../../src/tls/tls_error.ts";
import { fromLatin1 } from "../../../src/resp/bytes.ts";
import { Pair, TestTls } from "../../support/tls_pair.ts";
import { until, within } from "../../support/until.ts";

/** Fails unless the promise is rejected soon, and with an error that means "gone". */
async function assertGone(promise: Promise<unknown>): Promise<void> {
  const error = await within("see the error", assertRejects(() => promise), 1000);
  assert(isGone(error), String(error));
}

/** Fails unless the other end of a connection is closed soon. */
async function assertClosed(far: Connection): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  const ended = (async () => {
    while (await far.read(buffer) !== null);
  })();
  // A reset is an end, too: there was something that nobody read.
  await within("see the end", ended.catch((error) => assert(isGone(error))), 1000);
}

/** The other side of a handshake, which says nothing. */
const SIDES = {
  "client": ({ server }: TestTls, connection: Connection, timeoutMs?: number) =>
    server.accept(connection, timeoutMs),
  "node": ({ client }: TestTls, connection: Connection, timeoutMs?: number) =>
    client.connect(connection, "localhost", undefined, timeoutMs),
};

for (const [side, shake] of Object.entries(SIDES)) {
  Deno.test(`a handshake with a silent ${side} ends after a time`, async () => {
    using tcp = await Pair.tcp();
    const error = await assertRejects(() => shake(new TestTls(), tcp.near, 50), TlsError);
    assertEquals((error as TlsError).reason, "timeout");
    await assertClosed(tcp.far);
  });

  Deno.test(`closing the connection ends a handshake with a silent ${side} at once`, async () => {
    using tcp = await Pair.tcp();
    const handshake = shake(new TestTls(), tcp.near);
    tcp.near.close();
    await assertGone(handshake);
    await assertClosed(tcp.far);
  });

  Deno.test(`a ${side} that leaves within the handshake is gone`, async () => {
    using tcp = await Pair.tcp();
    const handshake = shake(new TestTls(), tcp.near);
    tcp.far.close();
    await assertGone(handshake);
  });

  for (const text of ["*1\r\n$4\r\nPING\r\n", "-ERR unknown command\r\n", "PING\r\n", "\0\0\0"]) {
    Deno.test(`a ${side} that says ${JSON.stringify(text)} does not speak TLS`, async () => {
      using tcp = await Pair.tcp();
      await tcp.far.write(fromLatin1(text));
      const error = await assertRejects(() => shake(new TestTls(), tcp.near), TlsError);
      assertEquals((error as TlsError).reason, "plain");
      await assertClosed(tcp.far);
    });
  }

  Deno.test(`a ${side} whose records are garbage breaks the protocol`, async () => {
    for (const text of ["\x16\x03\x01\xff\xffgarbage", "\x16\x03\x01\0\x05abcde"]) {
      using tcp = await Pair.tcp();
      await tcp.far.write(fromLatin1(text));
      const error = await assertRejects(() => shake(new TestTls(), tcp.near), TlsError);
      assertEquals((error as TlsError).reason, "protocol");
      await assertClosed(tcp.far);
    }
  });
}

for (const end of ["near", "far"] as const) {
  const other = end === "near" ? "far" : "near";

  Deno.test(`closing the ${end} end ends a pending read at once`, async () => {
    using pair = await Pair.tls();
    const reading = pair[end].read(new Uint8Array(10));
    pair[end].close();
    await assertGone(reading);
    await assertClosed(pair[other]);
    await assertGone(pair[end].read(new Uint8Array(10)));
    await assertGone(pair[end].write(new Uint8Array(10)));
    await assertGone(pair[end].closeWrite());
  });

  Deno.test(`closing the ${end} end ends a blocked write at once`, async () => {
    using pair = await Pair.tls();
    let written = 0;
    const writing = (async () => {
      for (;;) written += await pair[end].write(new Uint8Array(100_000));
    })();
    const blocked = assertGone(writing);
    let last = 0;
    await until("the write waits", () => {
      const isSame = written === last;
      last = written;
      return isSame && written > 0;
    });
    pair[end].close();
    await blocked;
    await assertClosed(pair[other]);
  });
}

Deno.test("what was not read is lost at the close", async () => {
  using pair = await Pair.tls();
  await pair.far.write(new Uint8Array(100));
  assertEquals(await pair.near.read(new Uint8Array(10)), 10);
  pair.near.close();
  await assertGone(pair.near.read(new Uint8Array(10)));
});

Deno.test("thousands of handshakes that end within leave nothing behind", async () => {
  const tls = new TestTls();
  const rounds = async (count: number) => {
    for (let round = 0; round < count; round++) {
      const { near, far } = await Pair.tcp();
      const handshakes = [tls.server.accept(near), tls.client.connect(far, "localhost")];
      // At every point: before the first byte, after the client's, after the server's.
      for (let turn = 0; turn < round % 3; turn++) {
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
      close(round % 2 === 0 ? near : far);
      for (const result of await Promise.allSettled(handshakes)) {
        if (result.status === "fulfilled") close(result.value);
      }
      close(near);
      close(far);
    }
  };
  const measure = () => {
    collectGarbage();
    const { heapUsed, external, rss } = Deno.memoryUsage();
    return {
      descriptors: [...Deno.readDirSync("/proc/self/fd")].length,
      js: heapUsed + external,
      rss,
    };
  };
  await rounds(500);
  const before = measure();
  await rounds(1500);
  const after = measure();
  assertEquals(after.descriptors, before.descriptors);
  // Each needs 65 KiB of memory that is seen by the collector, and more that is not.
  assert(after.js - before.js < 5 * MIB, `${after.js - before.js} bytes more`);
  assert(after.rss - before.rss < 100 * MIB, `${after.rss - before.rss} bytes more`);
});

const MIB = 1024 * 1024;

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
}
