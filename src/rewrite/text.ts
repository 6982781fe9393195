import type { Value } from "../resp/frame.ts";

/**
 * Rewrites the text of a bulk or verbatim value and leaves all other values alone. The format
 * that a verbatim begins with (`txt:`) is kept away from `rewrite`.
 */
export function rewriteText(value: Value, rewrite: (text: string) => string): Value {
  if (value.type === "$" && value.text !== null) value.text = rewrite(value.text);
  else if (value.type === "=" && value.text !== null) {
    const format = value.text.slice(0, "txt:".length);
    value.text = format + rewrite(value.text.slice(format.length));
  }
  return value;
}
