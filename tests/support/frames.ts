// Builders of reply frames as texts, one character for each byte.

export const OK = "+OK\r\n";
export const PONG = "+PONG\r\n";
export const QUEUED = "+QUEUED\r\n";

/** The null of RESP2. */
export const NIL = "$-1\r\n";
/** The null of RESP3. */
export const NULL = "_\r\n";

/** A bulk string. */
export function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`;
}

/** A verbatim string; its length includes the `txt:`. */
export function verbatim(text: string): string {
  return `=${text.length + 4}\r\ntxt:${text}\r\n`;
}

/** An integer. */
export function int(number: number): string {
  return `:${number}\r\n`;
}

/** An array of encoded values. */
export function array(...values: string[]): string {
  return `*${values.length}\r\n${values.join("")}`;
}

/** A RESP3 map; `values` alternate keys and values. */
export function map(...values: string[]): string {
  return `%${values.length / 2}\r\n${values.join("")}`;
}

/** A push. */
export function push(...values: string[]): string {
  return `>${values.length}\r\n${values.join("")}`;
}

/** A line of MONITOR: a request, and the address of its client or `lua` or `unix:<path>`. */
export function monitored(client: string, args: readonly string[]): string {
  return `+1700000000.123456 [0 ${client}] ${args.map(quoted).join(" ")}\r\n`;
}

/** Quotes an argument as servers do (sds.c `sdscatrepr`). */
function quoted(arg: string): string {
  const escaped = arg.replace(/[^ !#-[\]-~]/g, (char) => {
    const code = char.charCodeAt(0).toString(16).padStart(2, "0");
    return `\\${ESCAPES[char] ?? `x${code}`}`;
  });
  return `"${escaped}"`;
}

const ESCAPES: Record<string, string> = {
  '"': '"',
  "\\": "\\",
  "\n": "n",
  "\r": "r",
  "\t": "t",
  "\x07": "a",
  "\b": "b",
};
