import { assertEquals } from "@std/assert";
import { isIPv4, isIPv6 } from "node:net";
import {
  type HeaderVersions,
  parseProxyHeader,
  ProxyHeaderError,
} from "../../src/proxy/proxy_header.ts";
import { fromLatin1, toLatin1 } from "../../src/resp/bytes.ts";
import { v2Header } from "../support/proxy_header.ts";
import { type Random, seededRandom } from "../support/random.ts";
import { eachRound } from "./rounds.ts";

/** What is known of a header: it is refused, more is needed, or its length and both addresses. */
type Verdict = "refused" | "more" | { length: number; ends: string[] };

/** A naive reading of the specification, which shares no code with the parser but the types. */
function modelOf(text: string, accepted: HeaderVersions): Verdict {
  const signatures = { v1: "PROXY ", v2: "\r\n\r\n\0\r\nQUIT\n" };
  const [version] = (["v1", "v2"] as const).filter((version) =>
    text.startsWith(signatures[version]) || signatures[version].startsWith(text)
  );
  if (text === "") return "more";
  if (version === undefined) return "refused";
  if (text.length < signatures[version].length) return "more";
  if (!["any", version].includes(accepted)) return "refused";
  return version === "v1" ? modelV1(text) : modelV2(text);
}

function modelV1(text: string): Verdict {
  const [line, ...more] = text.slice(0, 107).split("\r\n");
  if (more.length === 0) return text.length < 107 ? "more" : "refused";
  const length = line!.length + 2;
  const words = line!.split(" ");
  const [, protocol, source, destination, ...ports] = words;
  if (protocol === "UNKNOWN") return { length, ends: [] };
  const isAddress = { TCP4: isIPv4, TCP6: isIPv6 }[protocol!];
  const isSound = words.length === 6 && isAddress !== undefined &&
    [source, destination].every((host) => isAddress(host!) && !/%/.test(host!)) &&
    ports.every((port) => /^\d+$/.test(port) && `${Number(port)}` === port && +port < 65536);
  if (!isSound) return "refused";
  return { length, ends: [`${plain(source!)} ${ports[0]}`, `${plain(destination!)} ${ports[1]}`] };
}

/** An address in one of its notations: the number of an IPv4 address, or all groups of IPv6. */
function plain(host: string): string {
  if (isIPv4(host)) return host;
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(host);
  const hex = dotted === null
    ? host
    : `${dotted[1]}${
      [[2, 3], [4, 5]].map(([a, b]) => (Number(dotted[a!]) * 256 + Number(dotted[b!])).toString(16))
        .join(":")
    }`;
  const [left = "", right] = hex.split("::");
  const before = left.split(":").filter(Boolean);
  const after = (right ?? "").split(":").filter(Boolean);
  const groups = [...before, ...Array(8 - before.length - after.length).fill("0"), ...after];
  return plainOf(groups.map((group) => parseInt(group, 16)));
}

function plainOf(groups: readonly number[]): string {
  const [high, low] = groups.slice(6);
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  return isMapped ? [high! >> 8, high! & 255, low! >> 8, low! & 255].join(".") : groups.join(" ");
}

function modelV2(text: string): Verdict {
  const bytes = fromLatin1(text);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 13) return "more";
  const command = view.getUint8(12);
  if (command !== 0x20 && command !== 0x21) return "refused";
  if (bytes.length < 16) return "more";
  const type = view.getUint8(13);
  const length = 16 + view.getUint16(14);
  if (command === 0x20) return { length, ends: [] };
  if (![0, 1, 2, 3].includes(type >> 4) || ![0, 1, 2].includes(type & 15)) return "refused";
  const size = ({ 0x11: 4, 0x21: 16 } as Record<number, number>)[type];
  if (size === undefined) return { length, ends: [] };
  if (length < 16 + 2 * size + 4) return "refused";
  if (bytes.length < 16 + 2 * size + 4) return "more";
  const ends = [0, 1].map((index) => {
    const at = 16 + index * size;
    const host = size === 4
      ? [...bytes.subarray(at, at + 4)].join(".")
      : plainOf(Array.from({ length: 8 }, (_, group) => view.getUint16(at + 2 * group)));
    return `${host} ${view.getUint16(16 + 2 * size + 2 * index)}`;
  });
  return { length, ends };
}

function verdictOf(bytes: Uint8Array, accepted: HeaderVersions): Verdict {
  try {
    const header = parseProxyHeader(bytes, accepted);
    if (header === undefined) return "more";
    const { length, ends } = header;
    if (ends === undefined) return { length, ends: [] };
    const pair = [ends.source, ends.destination];
    return { length, ends: pair.map(({ host, port }) => `${plain(host)} ${port}`) };
  } catch (error) {
    if (error instanceof ProxyHeaderError) return "refused";
    throw error;
  }
}

function randomBytes(random: Random, length: number): string {
  return String.fromCharCode(...Array.from({ length }, () => random.int(256)));
}

function randomHost(random: Random, isIpv6: boolean): string {
  if (!isIpv6) return Array.from({ length: 4 }, () => random.int(256)).join(".");
  const groups = Array.from(
    { length: 8 },
    () => random.chance(0.4) ? "0" : random.int(65536).toString(16),
  );
  const text = groups.join(":");
  return random.pick([
    text,
    text.toUpperCase(),
    text.replace(/(^|:)0(:0)+(:|$)/, "::"),
    `::ffff:${randomHost(random, false)}`,
    `::${randomHost(random, false)}`,
  ]);
}

function randomHeader(random: Random): string {
  if (random.chance(0.5)) {
    const protocol = random.pick(["TCP4", "TCP6", "UNKNOWN"]);
    const isIpv6 = random.chance(0.05) ? protocol === "TCP4" : protocol === "TCP6";
    const hosts = [randomHost(random, isIpv6), randomHost(random, isIpv6)];
    const ports = [random.int(66_000), random.int(66_000)];
    return `PROXY ${[protocol, ...hosts, ...ports].join(" ")}\r\n`;
  }
  const size = random.pick([0, 12, 36, 216, random.int(60)]);
  const extensions = randomBytes(random, random.pick([0, 0, 3, random.int(700)]));
  const type = random.pick([0x11, 0x21, 0x00, 0x12, 0x31, random.int(256)]);
  return v2Header(random.pick([0x20, 0x21]), type, randomBytes(random, size) + extensions);
}

/** Changes, inserts or deletes some bytes. */
function mutated(random: Random, text: string): string {
  let changed = text;
  for (let count = random.int(4); count > 0; count--) {
    const at = random.int(changed.length + 1);
    const bytes = random.pick([randomBytes(random, 1), "\r\n", " ", "0", ":", "."]);
    changed = changed.slice(0, at) + random.pick(["", bytes]) + changed.slice(at + random.int(2));
  }
  return changed;
}

Deno.test("the parser of PROXY headers agrees with a model", async () => {
  await eachRound(4, (seed) => {
    const random = seededRandom(seed);
    const header = randomHeader(random);
    const text = (random.chance(0.3) ? header : mutated(random, header)) +
      random.pick(["", "*1\r\n$4\r\nPING\r\n", header]);
    const accepted = random.pick(["any", "any", "v1", "v2"] as const);
    const bytes = fromLatin1(text);
    let settled: Verdict = "more";
    for (let length = 0; length <= Math.min(bytes.length, 160); length++) {
      const part = bytes.subarray(0, length);
      const verdict = verdictOf(part, accepted);
      assertEquals(verdict, modelOf(toLatin1(part), accepted), JSON.stringify(toLatin1(part)));
      // Once something is known it stays so.
      if (settled !== "more") assertEquals(verdict, settled);
      settled = verdict;
    }
  });
});
