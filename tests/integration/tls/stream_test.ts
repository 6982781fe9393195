import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Connection, isGone, writeAll } from "../../../src/platform/net.ts";
import { TlsError } from "../../../src/tls/tls_error.ts";
import { overriding, Pair, ROOT, TestTls } from "../../support/tls_pair.ts";
import { untilStable, within } from "../../support/until.ts";

const MIB = 1024 * 1024;

/** Bytes that repeat with a period that is no power of two. */
function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 7) % 251);
}

/** Reads until there are `length` bytes. */
async function readExactly(connection: Connection, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = await within("read", connection.read(bytes.subarray(at)), 5000);
    if (count === null) throw new Error(`The end after ${at} of ${length} bytes`);
    at += count;
  }
  return bytes;
}

/** Writes until a write is blocked. That one goes on, and others follow until there are `total` bytes. */
async function fillUp(
  connection: Connection,
  total = Infinity,
): Promise<{ readonly written: number; readonly writing: Promise<void> }> {
  const chunk = new Uint8Array(MIB);
  let written = 0;
  const writing = (async () => {
    while (written < total) written += await connection.write(chunk);
  })();
  writing.catch(() => {});
  await untilStable("what was written", () => written);
  return {
    get written() {
      return written;
    },
    writing,
  };
}

for (const [version, verify] of [["1.2", "chain"], ["1.3", "full"]] as const) {
  Deno.test(`64 MiB go through TLS ${version} and come back unchanged`, async () => {
    // With `chain` the client speaks TLS 1.2 only.
    using pair = await Pair.tls(new TestTls({ client: { verify } }));
    const total = 64 * MIB;
    const sent = pattern(251 * 1024);
    const echo = (async () => {
      const buffer = new Uint8Array(64 * 1024);
      for (let count; (count = await pair.near.read(buffer)) !== null;) {
        await writeAll(pair.near, buffer.subarray(0, count));
      }
      await pair.near.closeWrite();
    })();
    const send = (async () => {
      for (let at = 0; at < total;) {
        const from = at % sent.length;
        at += await pair.far.write(sent.subarray(from, from + total - at));
      }
      await pair.far.closeWrite();
    })();
    const buffer = new Uint8Array(100_000);
    let received = 0;
    for (let count; (count = await pair.far.read(buffer)) !== null; received += count) {
      const from = received % sent.length;
      for (let at = 0; at < count; at++) {
        if (buffer[at] !== sent[(from + at) % sent.length]) {
          throw new Error(`Byte ${received + at} is ${buffer[at]}`);
        }
      }
    }
    await Promise.all([echo, send]);
    assertEquals(received, total);
  });
}

Deno.test("a read takes as much as the buffer has room for, and keeps the rest", async () => {
  using pair = await Pair.tls();
  await pair.near.write(pattern(1000));
  const found: number[] = [];
  for (let length = 1; found.length < 1000; length = Math.min(length + 3, 1000 - found.length)) {
    found.push(...await readExactly(pair.far, length));
  }
  assertEquals(Uint8Array.from(found), pattern(1000));
});

Deno.test("a write may be short, and its bytes are its caller's again when it settles", async () => {
  using pair = await Pair.tls();
  const bytes = pattern(MIB);
  const reading = readExactly(pair.far, MIB);
  for (let at = 0; at < MIB;) {
    const count = await pair.near.write(bytes.subarray(at));
    assert(count > 0 && count <= MIB - at, `${count}`);
    bytes.fill(255, at, at + count);
    at += count;
  }
  assertEquals(await reading, pattern(MIB));
});

Deno.test("nothing is written, and nothing read into no room", async () => {
  using pair = await Pair.tls();
  assertEquals(await pair.near.write(new Uint8Array()), 0);
  await pair.near.write(pattern(3));
  assertEquals(await readExactly(pair.far, 3), pattern(3));
});

Deno.test("records of one byte, and records that arrive byte by byte, are read", async () => {
  const { near, far } = await Pair.tcp();
  const bytewise = overriding(near, {
    read: (buffer) => near.read(buffer.subarray(0, 1)),
    write: (bytes) => near.write(bytes.subarray(0, 1)),
  });
  const { server, client } = new TestTls();
  using pair = new Pair(
    ...await Promise.all([server.accept(bytewise), client.connect(far, "localhost")]),
  );
  const reading = readExactly(pair.near, 300);
  for (const byte of pattern(300)) await pair.far.write(Uint8Array.of(byte));
  assertEquals(await reading, pattern(300));
  await pair.near.write(pattern(300));
  assertEquals(await readExactly(pair.far, 300), pattern(300));
});

Deno.test("each side may end before the other, which goes on", async () => {
  for (const first of ["near", "far"] as const) {
    using pair = await Pair.tls();
    const other = first === "near" ? pair.far : pair.near;
    await pair[first].write(pattern(10));
    await pair[first].closeWrite();
    // As over TCP, a second end is none.
    await pair[first].closeWrite();
    assertEquals(await readExactly(other, 10), pattern(10));
    assertEquals(await other.read(new Uint8Array(1)), null);
    assertEquals(await other.read(new Uint8Array(1)), null);
    const error = await assertRejects(() => pair[first].write(pattern(1)));
    assert(isGone(error), String(error));
    const reading = readExactly(pair[first], 200_000);
    await writeAll(other, pattern(200_000));
    assertEquals(await reading, pattern(200_000));
    await other.closeWrite();
    assertEquals(await pair[first].read(new Uint8Array(1)), null);
  }
});

Deno.test("the end of TLS is sent before the end of TCP, every time", async () => {
  const { server } = new TestTls();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  for (let round = 0; round < 100; round++) {
    using peer = await Deno.connectTls({ hostname: "localhost", port, caCerts: [ROOT.pem] });
    const accepted = server.accept(await listener.accept());
    await peer.handshake();
    const connection = await accepted;
    const length = round % 2 * 40_000;
    const writing = writeAll(connection, pattern(length));
    // As over TCP, what is being written comes first.
    await connection.closeWrite();
    await writing;
    const buffer = new Uint8Array(64 * 1024);
    let received = 0;
    // The runtime throws if the end of TLS is missing.
    for (let count; (count = await peer.read(buffer)) !== null;) received += count;
    assertEquals(received, length);
    connection.close();
  }
});

Deno.test("the end waits for a write that is blocked", async () => {
  const { server } = new TestTls();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  using peer = await Deno.connectTls({ hostname: "localhost", port, caCerts: [ROOT.pem] });
  const accepted = server.accept(await listener.accept());
  await peer.handshake();
  const connection = await accepted;
  const fill = await fillUp(connection);
  const ending = connection.closeWrite();
  const buffer = new Uint8Array(64 * 1024);
  let received = 0;
  for (let count; (count = await peer.read(buffer)) !== null;) received += count;
  await ending;
  await assertRejects(() => fill.writing, Deno.errors.BrokenPipe);
  assertEquals(received, fill.written);
  connection.close();
});

Deno.test("the end of TLS is an end, also in one packet with what precedes it", async () => {
  const { near, far } = await Pair.tcp();
  const { server, client } = new TestTls();
  const held: Uint8Array[] = [];
  let isHolding = false;
  // It sends no end of TCP.
  const holding = overriding(far, {
    write: (bytes) => {
      if (!isHolding) return far.write(bytes);
      held.push(bytes.slice());
      return Promise.resolve(bytes.length);
    },
    closeWrite: async () => {},
  });
  using pair = new Pair(
    ...await Promise.all([server.accept(near), client.connect(holding, "localhost")]),
  );
  isHolding = true;
  await pair.far.write(pattern(50));
  const ending = pair.far.closeWrite();
  // From now on, bytes would come after the end.
  await assertRejects(() => pair.far.write(pattern(1)), Deno.errors.BrokenPipe);
  await ending;
  await writeAll(far, new Uint8Array(held.flatMap((bytes) => [...bytes])));
  assertEquals(await readExactly(pair.near, 50), pattern(50));
  assertEquals(await within("see the end", pair.near.read(new Uint8Array(1)), 5000), null);
});

Deno.test("an end without the end of TLS is an end", async () => {
  const { near, far } = await Pair.tcp();
  const { server, client } = new TestTls();
  using pair = new Pair(
    ...await Promise.all([server.accept(near), client.connect(far, "localhost")]),
  );
  await pair.far.write(pattern(5));
  await far.closeWrite();
  assertEquals(await readExactly(pair.near, 5), pattern(5));
  assertEquals(await pair.near.read(new Uint8Array(1)), null);
});

Deno.test("a record that was changed on its way ends both sides", async () => {
  const { near, far } = await Pair.tcp();
  const { server, client } = new TestTls();
  let isChanging = false;
  const changing = overriding(near, {
    read: async (buffer) => {
      const count = await near.read(buffer);
      if (isChanging) buffer[10]! ^= 1;
      return count;
    },
  });
  using pair = new Pair(
    ...await Promise.all([server.accept(changing), client.connect(far, "localhost")]),
  );
  isChanging = true;
  await pair.far.write(pattern(100));
  await assertRejects(() => pair.near.read(new Uint8Array(100)), TlsError, "The client broke TLS");
  await assertRejects(() => pair.near.write(new Uint8Array(100)), TlsError);
  // The alert says why.
  await assertRejects(() => pair.far.read(new Uint8Array(100)), TlsError, "BadRecordMac");
});

Deno.test("a record that was changed ends a write that is blocked", async () => {
  const { near, far } = await Pair.tcp();
  const { server, client } = new TestTls();
  using pair = new Pair(
    ...await Promise.all([server.accept(near), client.connect(far, "localhost")]),
  );
  const fill = await fillUp(pair.near);
  const ended = assertRejects(() => fill.writing, TlsError);
  await far.write(pattern(100));
  await assertRejects(() => pair.near.read(new Uint8Array(100)), TlsError);
  await within("see the end of the write", ended, 1000);
});

Deno.test("who does not read stops the writer, and memory stays flat", async () => {
  using pair = await Pair.tls();
  const rss = Deno.memoryUsage().rss;
  const fill = await fillUp(pair.far, 400 * MIB);
  // What the kernel buffers.
  assert(fill.written < 30 * MIB, `${fill.written} bytes were taken`);
  const buffer = new Uint8Array(64 * 1024);
  let read = 0;
  while (read < 400 * MIB) read += (await pair.near.read(buffer))!;
  await fill.writing;
  const grown = (Deno.memoryUsage().rss - rss) / MIB;
  assert(grown < 150, `${grown} MiB more`);
});

Deno.test("addresses are those of the connection", async () => {
  using tcp = await Pair.tcp();
  const { near, far } = tcp;
  const { server, client } = new TestTls();
  const pair = await Promise.all([server.accept(near), client.connect(far, "localhost")]);
  assertEquals(pair[0].remoteAddr, far.localAddr);
  assertEquals(pair[1].remoteAddr, near.localAddr);
  assertEquals(pair[0].localAddr, near.localAddr);
});
