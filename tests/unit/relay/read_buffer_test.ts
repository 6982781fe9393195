import { assert, assertEquals } from "@std/assert";
import { BufferPool, ReadBuffer } from "../../../src/relay/read_buffer.ts";
import { seededRandom, testSeed } from "../../support/random.ts";

const LARGE_BYTES = 32 * 1024;

/** Reads up to `bytes` into the free part of a buffer. */
function read(input: ReadBuffer, bytes: number): void {
  input.end += Math.min(bytes, input.free.length);
}

/** Does `count` reads of `bytes` each, and keeps none of them. */
function pass(input: ReadBuffer, bytes: number, count = 1): void {
  for (let at = 0; at < count; at++) {
    read(input, bytes);
    input.keep(input.end);
  }
}

Deno.test("an idle connection has a small buffer, also after large reads", () => {
  const input = new ReadBuffer(new BufferPool(LARGE_BYTES));
  assertEquals(input.free.length, 256);
  pass(input, 100);
  assertEquals(input.free.length, 256);
  pass(input, Infinity);
  assertEquals(input.free.length, LARGE_BYTES);
  pass(input, Infinity, 100);
  assertEquals(input.free.length, LARGE_BYTES);
  pass(input, LARGE_BYTES - 1);
  assertEquals(input.free.length, 512);
});

Deno.test("the buffers of a session share their memory, but no byte of it", () => {
  const pool = new BufferPool(LARGE_BYTES);
  const [one, other, next] = Array.from({ length: 3 }, () => new ReadBuffer(pool).free);
  assert(one!.buffer === other!.buffer && other!.buffer !== next!.buffer);
  assertEquals([one!.byteOffset, other!.byteOffset], [0, 256]);
});

Deno.test("the own buffer grows with the traffic, up to 16 KiB, and shrinks again", () => {
  const input = new ReadBuffer(new BufferPool(LARGE_BYTES));
  for (let more = 0; more < 10; more++) {
    pass(input, 20_000);
    pass(input, 20_000 - 256);
  }
  assertEquals(input.free.length, 16 * 1024);
  pass(input, 100, 15);
  pass(input, 10_000);
  pass(input, 100, 15);
  assertEquals(input.free.length, 16 * 1024);
  pass(input, 50, 16 * 6);
  assertEquals(input.free.length, 256);
});

Deno.test("connections reuse large buffers", () => {
  const pool = new BufferPool(LARGE_BYTES);
  const [one, other] = [new ReadBuffer(pool), new ReadBuffer(pool)];
  pass(one, Infinity);
  const lent = one.bytes;
  pass(other, Infinity);
  assert(other.bytes !== lent);
  pass(one, 1);
  const next = new ReadBuffer(pool);
  pass(next, Infinity);
  assert(next.bytes === lent);
});

Deno.test("at least as many bytes are free as are kept", () => {
  const input = new ReadBuffer(new BufferPool(512));
  while (input.end < 10_000) {
    assert(input.free.length >= input.end, `${input.free.length} free bytes, ${input.end} kept`);
    read(input, 500);
    input.keep(0);
  }
  pass(input, 1);
  assertEquals(input.free.length, 512);
});

Deno.test("bytes stay unchanged in buffers that connections share", () => {
  const seed = testSeed();
  console.log(`seed ${seed}`);
  const random = seededRandom(seed);
  const pool = new BufferPool(random.pick([512, 700, 4096, LARGE_BYTES]));
  const connections = Array.from({ length: 3 }, () => ({
    input: new ReadBuffer(pool),
    written: 0,
    passed: 0,
  }));
  for (let round = 0; round < 20_000; round++) {
    const connection = random.pick(connections);
    const { input } = connection;
    const { free } = input;
    const length = random.chance(0.3) ? free.length : 1 + random.int(free.length);
    for (let at = 0; at < length; at++) free[at] = 31 * connection.written++ % 251;
    input.end += length;
    const seen = input.upTo(input.end);
    assertEquals(seen.length, connection.written - connection.passed);
    for (const at of [0, random.int(seen.length), seen.length - 1]) {
      assertEquals(seen[at], 31 * (connection.passed + at) % 251, `seed ${seed}`);
    }
    const kept = random.chance(0.7) ? 0 : random.int(Math.min(seen.length, 6000) + 1);
    connection.passed += seen.length - kept;
    input.keep(input.end - kept);
  }
});
