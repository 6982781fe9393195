// The cost of finding the ends of requests and replies, compared with a copy of the same bytes, as
// the kernel makes for each read and write, and with a loop over all bytes. Names show what one
// iteration is.

import { Byte, fromLatin1 } from "../../src/resp/bytes.ts";
import { encodeRequest } from "../../src/resp/frame.ts";
import type { Command } from "../../src/resp/command_table.ts";
import { RequestScanner } from "../../src/resp/request_scanner.ts";
import type { RequestSink } from "../../src/resp/request_sink.ts";
import { NO_STOPS, ReplyScanner } from "../../src/resp/reply_scanner.ts";
import { COMMANDS } from "../../src/commands/command_spec.ts";

/** The read buffer size of the proxy. */
const READ_BYTES = 32 * 1024;

const BIG_BYTES = 1024 * 1024;

/** The reads of one iteration, which together are whole frames. */
interface Feed {
  readonly what: string;
  readonly frames: number;
  readonly reads: readonly Uint8Array[];
}

/** One read, full of small frames. */
function many(what: string, frame: Uint8Array): Feed {
  const frames = Math.floor(READ_BYTES / frame.length);
  const read = new Uint8Array(frames * frame.length);
  for (let at = 0; at < read.length; at += frame.length) read.set(frame, at);
  return { what: `${frames} × ${what} in ${READ_BYTES / 1024} KiB`, frames, reads: [read] };
}

/** One frame in many reads. */
function big(what: string, frame: Uint8Array): Feed {
  const count = Math.ceil(frame.length / READ_BYTES);
  const reads = Array.from({ length: count }, (_, index) => {
    return frame.subarray(index * READ_BYTES, (index + 1) * READ_BYTES);
  });
  return { what: `${what} in reads of ${READ_BYTES / 1024} KiB`, frames: 1, reads };
}

const BIG_VALUE = "x".repeat(BIG_BYTES);

const REPLIES: readonly Feed[] = [
  many("+OK", fromLatin1("+OK\r\n")),
  many("$3 foo", fromLatin1("$3\r\nfoo\r\n")),
  many("*3 of bulks", fromLatin1("*3\r\n$3\r\nfoo\r\n$3\r\nbar\r\n$3\r\nbaz\r\n")),
  big("a reply of 1 MiB", fromLatin1(`$${BIG_BYTES}\r\n${BIG_VALUE}\r\n`)),
];

const REQUESTS: readonly Feed[] = [
  many("GET", encodeRequest(["GET", "key"])),
  many("SET", encodeRequest(["SET", "key", "foo"])),
  big("a SET of 1 MiB", encodeRequest(["SET", "key", BIG_VALUE])),
];

class Counter implements RequestSink<Command> {
  requests = 0;

  plain(count: number): void {
    this.requests += count;
  }

  known(): boolean {
    this.requests++;
    return false;
  }

  empty(): void {}

  protocolError(): void {
    throw new Error("A request is broken");
  }
}

for (const { what, frames, reads } of REPLIES) {
  const scanner = new ReplyScanner();
  Deno.bench({ name: `ReplyScanner: ${what}`, group: what, baseline: true }, () => {
    let ended = 0;
    for (const read of reads) {
      scanner.advance(read, 0, read.length, Infinity, NO_STOPS);
      ended += scanner.frames;
    }
    if (ended !== frames) throw new Error(`${ended} replies, not ${frames}`);
  });
  addRivals(what, reads);
}

for (const { what, frames, reads } of REQUESTS) {
  const counter = new Counter();
  const scanner = new RequestScanner<Command>(COMMANDS, counter);
  Deno.bench({ name: `RequestScanner: ${what}`, group: what, baseline: true }, () => {
    counter.requests = 0;
    for (const read of reads) {
      let at = 0;
      while (at < read.length) at = scanner.advance(read, at, read.length);
    }
    if (counter.requests !== frames) throw new Error(`${counter.requests} requests, not ${frames}`);
  });
  addRivals(what, reads);
}

/** Adds what the scanner of the group is compared with. */
function addRivals(group: string, reads: readonly Uint8Array[]): void {
  const copy = new Uint8Array(READ_BYTES);
  Deno.bench({ name: "a copy of the same bytes", group }, () => {
    for (const read of reads) copy.set(read);
  });
  let lines = 0;
  Deno.bench({ name: "a loop over all bytes", group }, () => {
    for (const read of reads) {
      for (let at = 0; at < read.length; at++) if (read[at] === Byte.lf) lines++;
    }
  });
}
