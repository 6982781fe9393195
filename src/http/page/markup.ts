/** Markup that is inserted as it is; all other values are escaped. */
export class Markup {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

/** What may stand in a template: text, markup, a list of both, or nothing. */
export type Content = string | number | false | undefined | Markup | readonly Content[];

/**
 * Builds markup from a template. Every value that is not markup itself is escaped, so that it is
 * text wherever it stands: between tags, or in an attribute with quotes.
 */
export function markup(template: TemplateStringsArray, ...values: readonly Content[]): Markup {
  let text = template[0]!;
  for (const [index, value] of values.entries()) text += render(value) + template[index + 1];
  return new Markup(text);
}

function render(value: Content): string {
  if (value === undefined || value === false) return "";
  if (value instanceof Markup) return value.toString();
  if (typeof value === "object") return value.map(render).join("");
  return String(value).replace(SPECIAL, (char) => ENTITIES[char]!);
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

const SPECIAL = /[&<>"']/g;
