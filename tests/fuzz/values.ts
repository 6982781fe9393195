import type { Random } from "../support/random.ts";

/** Which values may be generated. */
export interface ValueOptions {
  /** How deep aggregates may be nested. */
  depth: number;
  /** Whether pushes may be inside aggregates, as servers before 7.2 write them. */
  pushes: boolean;
  /** Whether to stream strings and aggregates, which only the specification has. */
  streams: boolean;
}

const WILD: ValueOptions = { depth: 4, pushes: true, streams: true };

/** A frame of any type: a value or a push. */
export function randomFrame(random: Random): string {
  if (!random.chance(0.15)) return randomValue(random, WILD);
  return `>2\r\n+message\r\n${randomValue(random, { ...WILD, depth: 1 })}`;
}

/** A random reply to a request. */
export function randomAnswer(random: Random): string {
  return randomValue(random, { depth: 3, pushes: false, streams: random.chance(0.1) });
}

/** A value with everything in it. */
export function randomValue(random: Random, options: ValueOptions): string {
  const deeper = { ...options, depth: options.depth - 1 };
  const kinds = "+-:::_#,($$$$=!n" + (options.depth > 0 ? "****%%~~|" : "") +
    (options.streams ? "ss" + (options.depth > 0 ? "S" : "") : "");
  const kind = random.pick([...kinds]);
  const text = randomText(random);
  switch (kind) {
    case ":":
      return `:${random.pick(["", "-", "+"])}${
        random.int(random.pick([10, 2 ** 31, 2 ** 60]))
      }\r\n`;
    case "_":
      return "_\r\n";
    case "#":
      return random.pick(["#t\r\n", "#f\r\n"]);
    case ",":
      return `,${random.pick(["inf", "-inf", "nan", "1.5", "-2e-7", "10"])}\r\n`;
    case "(":
      return `(${random.pick(["", "-"])}${"1234567890".repeat(1 + random.int(5))}\r\n`;
    case "+":
    case "-":
      return `${kind}${text.replaceAll(/[\r\n]/g, " ")}\r\n`;
    case "$":
    case "!":
      return `${kind}${text.length}\r\n${text}\r\n`;
    case "=":
      return `=${text.length + 4}\r\ntxt:${text}\r\n`;
    case "n":
      return random.pick(["$-1\r\n", "*-1\r\n", "*0\r\n", "%0\r\n", "~0\r\n", "$0\r\n\r\n"]);
    case "s":
      return `$?\r\n${times(random.int(3), () => `;${text.length + 1}\r\n${text}x\r\n`)};0\r\n`;
    case "S": {
      const type = random.pick(["*", "~", "%"]);
      return `${type}?\r\n${elements(random, 2 * random.int(3), deeper)}.\r\n`;
    }
    case "|":
      return `|1\r\n${elements(random, 2, deeper)}${randomValue(random, deeper)}`;
    default: {
      const count = random.int(5);
      return `${kind}${count}\r\n${elements(random, kind === "%" ? 2 * count : count, deeper)}`;
    }
  }
}

function elements(random: Random, count: number, options: ValueOptions): string {
  return times(count, () => {
    const pushed = options.pushes && random.chance(0.1);
    const push = pushed ? `>1\r\n${randomValue(random, { ...options, depth: 0 })}` : "";
    return push + randomValue(random, options);
  });
}

/** Joins `count` texts. */
export function times(count: number, make: () => string): string {
  return Array.from({ length: count }, make).join("");
}

/** A random text, often one that looks like RESP. */
export function randomText(random: Random): string {
  if (random.chance(0.1)) return random.pick(DECOYS);
  const length = random.chance(0.03) ? random.int(1500) : random.int(12);
  return times(length, () => random.pick([..."ab\r\n$*:1>|\0\xff"]));
}

const DECOYS = ["MOVED 1 10.0.0.1:7000", "-MOVED 1 10.0.0.1:7000\r\n", "*1\r\n$1\r\na\r\n"]
  .concat("subscribe", "message", "QUEUED", "OK", "RESET");

/** Makes up to two random changes in a wire text, which mostly make it invalid. */
export function corrupted(random: Random, wire: string): string {
  let text = wire;
  for (let left = random.pick([0, 1, 1, 2]); left > 0 && text !== ""; left--) {
    text = changed(random, text);
  }
  return text;
}

function changed(random: Random, wire: string): string {
  const at = random.int(wire.length);
  const before = wire.slice(0, at);
  switch (random.int(7)) {
    case 0: { // flip a bit
      const char = String.fromCharCode(wire.charCodeAt(at) ^ (1 << random.int(8)));
      // Servers do not agree on a backslash in an inline request.
      return before + (char === "\\" ? "" : char) + wire.slice(at + 1);
    }
    case 1: // cut off the end
      return before;
    case 2: // remove a byte
      return before + wire.slice(at + 1);
    case 3: // increment a number
      return before + wire.slice(at).replace(/\d+/, (number) => `${Number(number) + 1}`);
    case 4: // replace a number
      return before + wire.slice(at).replace(/\d+/, () => random.pick(NUMBERS));
    case 5: // replace a line end
      return before + wire.slice(at).replace(/\r\n/, () => random.pick(["\r", "\n", "\n\r", ""]));
    default: // insert a byte
      return before + random.pick([..."$*:+-_%~>|;.?=!,(#0129\r\nx"]) + wire.slice(at);
  }
}

const NUMBERS = ["9007199254740991", "9007199254740993", "99999999999999999999", "-1", "-7"]
  .concat("--1", "-0", "00", "01", "+1", "?", "?1", "-?", "", " 1", "1.5");

/** Up to `most` positions at which to cut a text of `length` bytes, in rising order. */
export function randomCuts(random: Random, length: number): number[] {
  const most = random.pick([0, 1, 2, 5, 20, length]);
  const cuts = new Set<number>();
  for (let cut = 0; cut < most && length > 1; cut++) cuts.add(1 + random.int(length - 1));
  return [...cuts].sort((one, other) => one - other);
}
