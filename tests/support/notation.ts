import { array, bulk, map, NIL, NULL, OK, PONG, push, QUEUED, verbatim } from "./frames.ts";

/** Frames by the name that a notation has for them. */
export type Names = Readonly<Record<string, string>>;

const COMMON: Names = { OK, PONG, QUEUED, NIL, NULL };

const AGGREGATES: Record<string, typeof array> = { "[": array, ">[": push, "{": map };

/** A mark, a bracket, or a value: a line in parentheses, a quoted text or a word; and a count. */
const TOKEN = /«\w+|[»‹›]|>?\[|[\]{}]|(\([^)]*\)|=?'[^']*'|"[^"]*"|[^\s‹›»\]}×]+)(?:×(\d+))?/g;

/**
 * Encodes frames from a notation, with spaces between values:
 *
 *     [a :1]  >[a :1]  {a :1}    an array, a push and a map
 *     a  'b c'  ='b c'           bulk strings, and a verbatim string
 *     +a  :1  *2  (-ERR b c)     a line as on the wire, of an aggregate only the header
 *     QUEUED  QUEUED×3           a frame by its name, and three of it
 *     "raw"                      bytes as they are
 *     «slots [a]»  ‹OK›          marks of a conversation
 */
export function frames(notation: string, names: Names = {}): string {
  const open: { bracket: string; values: string[] }[] = [{ bracket: "", values: [] }];
  for (const [token, word, count = "1"] of notation.matchAll(TOKEN)) {
    if (token in AGGREGATES) open.push({ bracket: token, values: [] });
    else if (token === "]" || token === "}") {
      const { bracket, values } = open.pop()!;
      open.at(-1)!.values.push(AGGREGATES[bracket]!(...values));
    } else if (word === undefined) open.at(-1)!.values.push(token.replace(/^«\w+/, "$& "));
    else for (let n = 0; n < Number(count); n++) open.at(-1)!.values.push(valueOf(word, names));
  }
  if (open.length > 1) throw new RangeError(`A bracket is not closed in ${notation}`);
  return open[0]!.values.join("");
}

function valueOf(word: string, names: Names): string {
  const named = names[word] ?? COMMON[word];
  if (named !== undefined) return named;
  if (word.startsWith("(")) return `${word.slice(1, -1)}\r\n`;
  if (word.startsWith("='")) return verbatim(word.slice(2, -1));
  if (word.startsWith('"')) return word.slice(1, -1);
  if (word.startsWith("'")) return bulk(word.slice(1, -1));
  if (/^[-+:_#,*%~|>$=!]/.test(word)) return `${word}\r\n`;
  if (/^[A-Z][A-Z0-9_]+$/.test(word)) throw new RangeError(`No frame has the name ${word}`);
  return bulk(word);
}
