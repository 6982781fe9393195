/**
 * Splits the line of an inline request into its words, or returns undefined where a server
 * answers "unbalanced quotes in request".
 *
 * The rules are those of `sdssplitargs` of Valkey 9.1 (sds.c), in which `"` and `'` may open and
 * close inside a word; all servers before it refuse a word that goes on behind its quotes, and
 * close the connection, but agree on every line that they do not refuse.
 *
 * @param line one character a byte, without the LF or CRLF that ends it
 */
export function splitInline(line: string): string[] | undefined {
  const words: string[] = [];
  let at = 0;
  for (;;) {
    while (at < line.length && isSpace(line.charCodeAt(at))) at++;
    if (at === line.length) return words;
    let word = "";
    let quote = "";
    for (; at < line.length; at++) {
      const char = line[at]!;
      // An escape is one only if something stands behind it, if but the closing quote.
      const escapes = char === "\\" && at + 2 < line.length;
      if (quote === "") {
        if (WORD_ENDS.includes(char)) break;
        if (char === '"' || char === "'") quote = char;
        else word += char;
      } else if (char === quote) {
        quote = "";
      } else if (escapes && quote === '"') {
        const hex = at + 4 < line.length ? HEX_ESCAPE.exec(line.slice(at, at + 4)) : null;
        if (hex !== null) {
          word += String.fromCharCode(parseInt(hex[1]!, 16));
          at += 3;
        } else {
          at++;
          word += ESCAPES[line[at]!] ?? line[at];
        }
      } else if (escapes && line[at + 1] === "'") {
        at++;
        word += "'";
      } else word += char;
    }
    if (quote !== "") return undefined;
    words.push(word);
  }
}

/** A word outside quotes ends at fewer characters than may stand between words. */
const WORD_ENDS = " \n\r\t";

const HEX_ESCAPE = /^\\x([0-9a-fA-F]{2})/;

const ESCAPES: Record<string, string> = { n: "\n", r: "\r", t: "\t", b: "\b", a: "\x07" };

/** What `isspace` of C is true for. */
function isSpace(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d);
}
