/**
 * Escapes every character that ends a line or controls a terminal, so that no name or value from
 * outside can forge a log line. Escaped JSON parses to the same value.
 */
export function oneLine(text: string): string {
  return text.replace(CONTROL, (char) =>
    ESCAPES[char] ??
      `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Control characters, C1 included, and the two Unicode separators at which some readers split. */
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}]/gu;

const ESCAPES: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
