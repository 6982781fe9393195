import { assertEquals, assertThrows } from "@std/assert";
import {
  type HeaderVersions,
  MAX_PARSED_BYTES,
  ownHeader,
  parseProxyHeader,
  ProxyHeaderError,
} from "../../../src/proxy/proxy_header.ts";
import { parseHostPort } from "../../../src/platform/address.ts";
import { fromLatin1, toLatin1 } from "../../../src/resp/bytes.ts";
import { v2Header } from "../../support/proxy_header.ts";

const IPV6 = "\x20\x01\x0d\xb8" + "\0".repeat(11) + "\x01";
const MAPPED = "\0".repeat(10) + "\xff\xff\x0a\0\0\x09";
const FFFF = "ffff:".repeat(7) + "ffff";

/** Headers, and the addresses of their clients and balancers. */
const HEADERS: [name: string, header: string, source?: string, destination?: string][] = [
  [
    "v1 over IPv4",
    "PROXY TCP4 192.0.2.7 10.0.0.1 56324 8000\r\n",
    "192.0.2.7:56324",
    "10.0.0.1:8000",
  ],
  [
    "v1 with the highest numbers",
    "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
    "255.255.255.255:65535",
    "255.255.255.255:65535",
  ],
  ["v1 with the lowest ports", "PROXY TCP4 0.0.0.0 1.2.3.4 0 0\r\n", "0.0.0.0:0", "1.2.3.4:0"],
  [
    "v1 over IPv6, in a long form and a short one",
    "PROXY TCP6 2001:0DB8:0:0:0:0:0:1 ::1 1 2\r\n",
    "[2001:db8::1]:1",
    "[::1]:2",
  ],
  [
    "v1 with the longest addresses",
    `PROXY TCP6 ${FFFF} ${FFFF} 65535 65535\r\n`,
    `[${FFFF}]:65535`,
    `[${FFFF}]:65535`,
  ],
  [
    "v1 with an IPv4-mapped address",
    "PROXY TCP6 ::ffff:10.0.0.9 ::FFFF:0a00:1 1 2\r\n",
    "10.0.0.9:1",
    "10.0.0.1:2",
  ],
  ["v1 of an unknown client", "PROXY UNKNOWN\r\n"],
  ["v1 of an unknown client with more", "PROXY UNKNOWN ::1 \xff \r \n x\r\n"],
  ["the longest v1", `PROXY UNKNOWN ${FFFF} ${FFFF} 65535 65535\r\n`],
  [
    "v2 over IPv4",
    v2Header(0x21, 0x11, "\xc0\0\x02\x07\x0a\0\0\x01\xdc\x04\x1f\x40"),
    "192.0.2.7:56324",
    "10.0.0.1:8000",
  ],
  [
    "v2 over IPv6",
    v2Header(0x21, 0x21, `${IPV6}${MAPPED}\xff\xff\0\0`),
    "[2001:db8::1]:65535",
    "10.0.0.9:0",
  ],
  ["v2 of the balancer itself", v2Header(0x20, 0x00, "")],
  ["v2 of the balancer itself, with addresses", v2Header(0x20, 0x11, "\x01".repeat(12))],
  ["v2 of the balancer itself, with an unassigned family", v2Header(0x20, 0xff, "abc")],
  ["v2 of an unspecified kind", v2Header(0x21, 0x00, "")],
  ["v2 of an unspecified transport", v2Header(0x21, 0x10, "\x01".repeat(12))],
  ["v2 of an unspecified family", v2Header(0x21, 0x01, "\x01".repeat(12))],
  ["v2 over UDP", v2Header(0x21, 0x12, "\x01".repeat(12))],
  ["v2 over a Unix socket", v2Header(0x21, 0x31, "/".repeat(216))],
];

function versionOf(header: string): "v1" | "v2" {
  return header.startsWith("PROXY") ? "v1" : "v2";
}

for (const [name, header, source, destination] of HEADERS) {
  Deno.test(`a header of ${name} is parsed at every cut`, () => {
    const expected = {
      length: header.length,
      ends: source === undefined ? undefined : {
        source: parseHostPort(source),
        destination: parseHostPort(destination!),
      },
    };
    for (const accepted of ["any", versionOf(header)] as const) {
      for (const next of ["", "*1\r\n$4\r\nPING\r\n", "\r\n", header]) {
        const bytes = fromLatin1(header + next);
        const lengths = Array.from({ length: bytes.length + 1 }, (_, length) => length);
        const parsed = lengths.map((length) =>
          parseProxyHeader(bytes.subarray(0, length), accepted)
        );
        const known = parsed.findIndex((result) => result !== undefined);
        // Extensions at the end, which are not parsed, may be missing.
        if (versionOf(header) === "v1") assertEquals(known, header.length);
        assertEquals(known >= 15 && known <= header.length, true, `${known}`);
        for (const result of parsed.slice(known)) assertEquals(result, expected);
      }
    }
  });

  Deno.test(`a header of ${name} is refused where the other version is expected`, () => {
    const [accepted, beginning] = versionOf(header) === "v1"
      ? ["v2", 6] as const
      : ["v1", 12] as const;
    assertRefused(
      header,
      beginning,
      `The PROXY header is of version ${
        versionOf(header)
      }, and --accept-proxy-protocol is ${accepted}`,
      accepted,
    );
  });
}

/** Checks that bytes are refused, and as soon as this many have come. */
function assertRefused(
  text: string,
  after: number,
  message: string,
  accepted: HeaderVersions = "any",
): void {
  const bytes = fromLatin1(text);
  for (let length = 0; length <= bytes.length; length++) {
    const parse = () => parseProxyHeader(bytes.subarray(0, length), accepted);
    if (length < after) assertEquals(parse(), undefined, `after ${length} bytes`);
    else assertEquals(assertThrows(parse, ProxyHeaderError).message, message, `${length}`);
  }
}

const NONE =
  "The connection began without a PROXY header: have the load balancer send one, or remove " +
  "--accept-proxy-protocol";
const OTHER_FORM = "The PROXY header is malformed: its line has another form";
const WRONG = "The PROXY header is malformed: an address or a port in it is wrong";
const NO_END = "The PROXY header is malformed: it has no end of line within 107 bytes";

const BEGINNINGS: [text: string, after: number][] = [
  ["*1\r\n$4\r\nPING\r\n", 1],
  ["\x16\x03\x01\x02\0", 1],
  ["GET / HTTP/1.1\r\n", 1],
  ["PING\r\n", 2],
  ["PROXY\tTCP4", 6],
  ["proxy TCP4", 1],
  ["\r\n+OK", 3],
  ["\r\n\r\nQUIT", 5],
  [`${v2Header(0x21, 0x11, "").slice(0, 11)}\r`, 12],
];

for (const [text, after] of BEGINNINGS) {
  Deno.test(`the bytes ${JSON.stringify(text)} are no header after ${after}`, () => {
    const bytes = fromLatin1(text);
    const parse = (length: number) => parseProxyHeader(bytes.subarray(0, length), "any");
    assertEquals(parse(after - 1), undefined);
    assertEquals(assertThrows(() => parse(after), ProxyHeaderError).message, NONE);
  });
}

/** Lines that are refused once they are complete. */
const LINES: [line: string, message: string][] = [
  ["PROXY ", OTHER_FORM],
  ["PROXY TCP4", OTHER_FORM],
  ["PROXY UNKNOWNS", OTHER_FORM],
  ["PROXY unknown", OTHER_FORM],
  ["PROXY UDP4 1.2.3.4 1.2.3.4 1 2", OTHER_FORM],
  ["PROXY TCP5 1.2.3.4 1.2.3.4 1 2", OTHER_FORM],
  ["PROXY  TCP4 1.2.3.4 1.2.3.4 1 2", OTHER_FORM],
  ["PROXY TCP4  1.2.3.4 1.2.3.4 1 2", OTHER_FORM],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 1", OTHER_FORM],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 1 2 ", OTHER_FORM],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3", OTHER_FORM],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", OTHER_FORM],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r", OTHER_FORM],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 01 2", OTHER_FORM],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 1 00", OTHER_FORM],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 -1 2", OTHER_FORM],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 +1 2", OTHER_FORM],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 1 100000", OTHER_FORM],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 1 65536", WRONG],
  ["PROXY TCP4 1.2.3 1.2.3.4 1 2", WRONG],
  ["PROXY TCP4 1.2.3.4. 1.2.3.4 1 2", WRONG],
  ["PROXY TCP4 1.2.3.4 1.2.3.04 1 2", WRONG],
  ["PROXY TCP4 1.2.3.256 1.2.3.4 1 2", WRONG],
  ["PROXY TCP4 1.2.3.4 localhost 1 2", WRONG],
  ["PROXY TCP4 ::1 ::1 1 2", WRONG],
  ["PROXY TCP4 ::ffff:1.2.3.4 1.2.3.4 1 2", WRONG],
  ["PROXY TCP6 1.2.3.4 1.2.3.4 1 2", WRONG],
  ["PROXY TCP6 ::1 1.2.3.4 1 2", WRONG],
  ["PROXY TCP6 [::1] [::1] 1 2", WRONG],
  ["PROXY TCP6 ::1::1 ::1 1 2", WRONG],
  ["PROXY TCP6 fe80::1%lo ::1 1 2", WRONG],
  ["PROXY TCP6 12345::1 ::1 1 2", WRONG],
];

for (const [line, message] of LINES) {
  Deno.test(`the line ${JSON.stringify(line)} is refused`, () => {
    assertRefused(`${line}\r\n`, line.length + 2, message);
  });
}

Deno.test("a v1 header has its end of line within 107 bytes", () => {
  for (const [filling, end] of [[91, "\r\n"], [92, "\r\n"], [93, "\r\n"], [200, ""]] as const) {
    const line = `PROXY UNKNOWN ${"x".repeat(filling)}${end}`;
    if (line.length <= MAX_PARSED_BYTES) {
      const header = parseProxyHeader(fromLatin1(line), "any");
      assertEquals(header, { length: line.length, ends: undefined });
    } else assertRefused(line, MAX_PARSED_BYTES, NO_END);
  }
  assertRefused(`PROXY TCP4 ${"1".repeat(200)}`, MAX_PARSED_BYTES, NO_END);
});

const reason = (text: string) => `The PROXY header is malformed: ${text}`;

Deno.test("a v2 header has the version 2, and a command that is assigned", () => {
  for (let byte = 0; byte <= 0xff; byte++) {
    const header = v2Header(byte, 0x11, "\x01".repeat(12));
    if (byte === 0x20 || byte === 0x21) {
      assertEquals(parseProxyHeader(fromLatin1(header), "any")?.length, header.length);
      continue;
    }
    const text = byte >> 4 === 2 ? "its command is not assigned" : "its version is not 2";
    assertRefused(header, 13, reason(text));
  }
});

Deno.test("a v2 header of a client has a family and a transport that are assigned", () => {
  for (let type = 0; type <= 0xff; type++) {
    const header = v2Header(0x21, type, "\x01".repeat(36));
    if (type >> 4 <= 3 && (type & 15) <= 2) {
      const parsed = parseProxyHeader(fromLatin1(header), "any");
      assertEquals(parsed?.length, header.length);
      assertEquals(parsed?.ends !== undefined, type === 0x11 || type === 0x21, `${type}`);
      continue;
    }
    assertRefused(header, 16, reason("its address family or transport is not assigned"));
  }
});

Deno.test("extensions of a v2 header are skipped at every length, and addresses need theirs", () => {
  const addresses = "\x01".repeat(65535);
  for (const [type, needed] of [[0x11, 12], [0x21, 36], [0x00, 0]] as const) {
    const lengths = [...Array(300).keys(), 65534, 65535];
    for (const length of lengths) {
      const header = v2Header(0x21, type, addresses.slice(0, length));
      if (length < needed) {
        assertRefused(header, 16, reason("it is too short for its addresses"));
        continue;
      }
      const parsed = parseProxyHeader(fromLatin1(header.slice(0, 16 + needed)), "any");
      assertEquals(parsed?.length, 16 + length);
      assertEquals(parsed?.ends === undefined, needed === 0);
    }
  }
});

Deno.test("a probe has a header of its own, which names no client", () => {
  for (const [versions, version] of [["v1", "v1"], ["v2", "v2"], ["any", "v2"]] as const) {
    const header = ownHeader(versions);
    assertEquals(versionOf(toLatin1(header)), version);
    assertEquals(parseProxyHeader(header, versions), { length: header.length, ends: undefined });
  }
});
