import { Byte, fromLatin1, toLatin1 } from "./bytes.ts";
import { RespError } from "./framing.ts";

/** A value of one line; `text` is the line without its type and its CRLF. */
export interface Simple {
  readonly type: "+" | "-" | ":" | "_" | "#" | "," | "(";
  text: string;
  /** The attributes before the value, each as keys and values in turn. */
  attributes?: Value[][];
}

/**
 * A value with a payload, or a null of such a type. A verbatim's text begins with its format,
 * `txt:`.
 */
export interface Bulk {
  readonly type: "$" | "=" | "!";
  text: string | null;
  attributes?: Value[][];
}

/** An aggregate; a map's items are its keys and values in turn. */
export interface Aggregate {
  readonly type: "*" | "~" | ">" | "%";
  items: Value[] | null;
  attributes?: Value[][];
}

/**
 * A frame in memory, exact to the byte: types are kept, attributes stay before their value, and
 * texts hold one character a byte.
 */
export type Value = Simple | Bulk | Aggregate;

/** Deeper than any reply that carries an address (5: CLUSTER SLOTS with attributes). */
const MAX_DEPTH = 32;

/**
 * More values than any reply that carries an address has: CLUSTER SLOTS of a thousand nodes, where
 * every slot is a range of its own, has a million. A value takes about 100 bytes of memory, however
 * short it is on the wire.
 */
const MAX_VALUES = 2_000_000;

/**
 * Decodes one frame.
 *
 * @throws {RespError} when `bytes` are less or more than one frame, have a streamed type, are
 * nested deeper than MAX_DEPTH or have more than MAX_VALUES values
 */
export function decodeFrame(bytes: Uint8Array): Value {
  const reader = new FrameReader(bytes);
  const value = reader.value(0);
  if (reader.at !== bytes.length) throw new RespError("Unexpected bytes after the frame");
  return value;
}

/** Encodes a frame; the inverse of `decodeFrame`. */
export function encodeFrame(value: Value): Uint8Array<ArrayBuffer> {
  const parts: string[] = [];
  write(value, parts);
  return fromLatin1(parts.join(""));
}

/** Encodes a request as an array of bulks. The arguments are sent as UTF-8. */
export function encodeRequest(args: readonly string[]): Uint8Array<ArrayBuffer> {
  const items = args.map((arg): Value => ({
    type: "$",
    text: toLatin1(new TextEncoder().encode(arg)),
  }));
  return encodeFrame({ type: "*", items });
}

/**
 * Encodes the first arguments of a request, given with one character a byte, and before them the
 * header for `argc` arguments unless that is undefined.
 */
export function encodePrefix(
  args: readonly string[],
  argc: number | undefined,
): Uint8Array<ArrayBuffer> {
  const header = argc === undefined ? "" : `*${argc}\r\n`;
  const bulks = args.map((arg) => `$${arg.length}\r\n${arg}\r\n`);
  return fromLatin1(header + bulks.join(""));
}

/** Makes a bulk string. */
export function bulk(text: string): Bulk {
  return { type: "$", text };
}

/** The text of a value, without the format of a verbatim; undefined for nulls and aggregates. */
export function textOf(value: Value | undefined): string | undefined {
  if (value === undefined || "items" in value || value.text === null) return undefined;
  return value.type === "=" ? value.text.slice("txt:".length) : value.text;
}

/**
 * Replaces the text of a bulk or verbatim, in place, and returns the value; others stay as they
 * are. `map` does not get the format that a verbatim begins with (`txt:`).
 */
export function mapText(value: Value, map: (text: string) => string): Value {
  if (value.type === "$" && value.text !== null) value.text = map(value.text);
  else if (value.type === "=" && value.text !== null) {
    const format = value.text.slice(0, "txt:".length);
    value.text = format + map(value.text.slice(format.length));
  }
  return value;
}

/** The items of an aggregate, or undefined for a null one and for all other values. */
export function itemsOf(value: Value | undefined): Value[] | undefined {
  return value !== undefined && "items" in value ? value.items ?? undefined : undefined;
}

/** The value of a key, in a map or in the flat array that RESP2 uses instead. */
export function fieldOf(map: Value | undefined, key: string): Value | undefined {
  const items = itemsOf(map) ?? [];
  for (let at = 0; at + 1 < items.length; at += 2) {
    if (textOf(items[at]) === key) return items[at + 1];
  }
  return undefined;
}

function write(value: Value, parts: string[]): void {
  if (value.attributes !== undefined) {
    for (const attributes of value.attributes) {
      parts.push(`|${attributes.length / 2}\r\n`);
      for (const attribute of attributes) write(attribute, parts);
    }
  }
  if ("items" in value) {
    if (value.items === null) {
      parts.push(`${value.type}-1\r\n`);
      return;
    }
    const count = value.type === "%" ? value.items.length / 2 : value.items.length;
    parts.push(`${value.type}${count}\r\n`);
    for (const item of value.items) write(item, parts);
  } else if (value.type === "$" || value.type === "=" || value.type === "!") {
    parts.push(
      value.text === null
        ? `${value.type}-1\r\n`
        : `${value.type}${value.text.length}\r\n${value.text}\r\n`,
    );
  } else {
    parts.push(`${value.type}${value.text}\r\n`);
  }
}

class FrameReader {
  at = 0;
  #values = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  value(depth: number): Value {
    if (depth > MAX_DEPTH) throw new RespError("The frame is nested too deep");
    if (++this.#values > MAX_VALUES) throw new RespError("The frame has too many values");
    const type = this.#bytes[this.at];
    switch (type) {
      case Byte.attribute: {
        const attributes = this.#items(2 * this.#length(), depth);
        const value = this.value(depth + 1);
        return { ...value, attributes: [attributes, ...value.attributes ?? []] };
      }
      case Byte.array:
        return { type: "*", items: this.#list(1, depth) };
      case Byte.set:
        return { type: "~", items: this.#list(1, depth) };
      case Byte.push:
        return { type: ">", items: this.#list(1, depth) };
      case Byte.map:
        return { type: "%", items: this.#list(2, depth) };
      case Byte.bulk:
        return { type: "$", text: this.#payload() };
      case Byte.verbatim:
        return { type: "=", text: this.#payload() };
      case Byte.bulkError:
        return { type: "!", text: this.#payload() };
      case Byte.status:
        return { type: "+", text: this.#line() };
      case Byte.error:
        return { type: "-", text: this.#line() };
      case Byte.integer:
        return { type: ":", text: this.#line() };
      case Byte.null:
        return { type: "_", text: this.#line() };
      case Byte.boolean:
        return { type: "#", text: this.#line() };
      case Byte.double:
        return { type: ",", text: this.#line() };
      case Byte.bigNumber:
        return { type: "(", text: this.#line() };
      default:
        throw new RespError("The frame has a value of an unknown type");
    }
  }

  #line(): string {
    const end = this.#bytes.indexOf(Byte.lf, this.at);
    if (end < 0) throw new RespError("The frame ends inside a line");
    const text = toLatin1(this.#bytes.subarray(this.at + 1, end - 1));
    this.at = end + 1;
    return text;
  }

  #length(): number {
    const text = this.#line();
    const length = Number(text);
    if (text === "" || !Number.isSafeInteger(length)) {
      throw new RespError(`The frame has a value of the length '${text}'`);
    }
    return length;
  }

  #payload(): string | null {
    const length = this.#length();
    if (length < 0) return null;
    const end = this.at + length;
    if (end + 2 > this.#bytes.length) throw new RespError("The frame ends inside a payload");
    const text = toLatin1(this.#bytes.subarray(this.at, end));
    this.at = end + 2;
    return text;
  }

  #list(valuesEach: number, depth: number): Value[] | null {
    const length = this.#length();
    return length < 0 ? null : this.#items(length * valuesEach, depth);
  }

  #items(count: number, depth: number): Value[] {
    const items: Value[] = [];
    while (items.length < count) items.push(this.value(depth + 1));
    return items;
  }
}
