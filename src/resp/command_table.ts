import { Byte, fromLatin1 } from "./bytes.ts";

/** How the request scanner treats the arguments of a command. The command name is argument 0. */
export interface Command {
  /** How many arguments the sink gets, the command name included. */
  readonly keepArgs: number;
  /**
   * How many arguments must be complete before any byte of the request is forwarded: 0 buffers
   * none, Infinity all. `args` are the complete ones so far, as the client sent them; the function
   * is called again after each further one.
   */
  bufferArgs?(args: readonly string[]): number;
  /** Whether no argument may be logged. */
  readonly isSecret?: boolean;
}

/** Command names may have at most this many bytes. */
export const MAX_NAME_BYTES = 16;

/** The commands that a scanner recognizes: names in lower case, found in any case. */
export class CommandTable<C extends Command> {
  /** The entries by length of the name and by the last five bits of its first letter. */
  readonly #buckets: (Entry<C>[] | undefined)[] = Array(32 * (MAX_NAME_BYTES + 1)).fill(undefined);
  /** The length of the shortest name that begins with a letter, by its last five bits. */
  readonly #shortest = new Uint8Array(32).fill(255);

  /** @throws {RangeError} when a name is longer than MAX_NAME_BYTES */
  constructor(commands: Record<string, C>) {
    for (const [name, command] of Object.entries(commands)) {
      if (name.length > MAX_NAME_BYTES) throw new RangeError(`Command name '${name}' is too long`);
      const letter = name.charCodeAt(0) & 31;
      (this.#buckets[32 * name.length + letter] ??= []).push({ name: fromLatin1(name), command });
      this.#shortest[letter] = Math.min(this.#shortest[letter]!, name.length);
    }
  }

  /** The command whose name is the `length` bytes at `from`. */
  find(bytes: Uint8Array, from: number, length: number): C | undefined {
    // Most lookups end here, so this function is small enough for the engine to inline it.
    return length < this.#shortest[bytes[from]! & 31]!
      ? undefined
      : this.#search(bytes, from, length);
  }

  #search(bytes: Uint8Array, from: number, length: number): C | undefined {
    const letter = bytes[from]! & 31;
    const entries = length > MAX_NAME_BYTES ? undefined : this.#buckets[32 * length + letter];
    if (entries !== undefined) {
      for (const { name, command } of entries) if (isNamed(bytes, from, name)) return command;
    }
    return length > this.#shortest[letter]! ? this.#findBeforeNul(bytes, from, length) : undefined;
  }

  /** Servers compare names with `strcasecmp`, which ignores a NUL byte and all that follows. */
  #findBeforeNul(bytes: Uint8Array, from: number, length: number): C | undefined {
    const end = from + Math.min(length, MAX_NAME_BYTES + 1);
    for (let at = from + 1; at < end; at++) {
      if (bytes[at] === 0) return this.find(bytes, from, at - from);
    }
    return undefined;
  }

  /** The command of this name, one character a byte. */
  findByName(name: string): C | undefined {
    return this.find(fromLatin1(name), 0, name.length);
  }
}

/** A command and its name, in lower case. */
interface Entry<C> {
  readonly name: Uint8Array;
  readonly command: C;
}

/** Whether the bytes at `from` are a name, in letters of any case. */
function isNamed(bytes: Uint8Array, from: number, name: Uint8Array): boolean {
  for (let at = 0; at < name.length; at++) {
    const byte = bytes[from + at]!;
    const isUpper = byte >= Byte.upperA && byte <= Byte.upperZ;
    if ((isUpper ? byte | 0x20 : byte) !== name[at]) return false;
  }
  return true;
}
