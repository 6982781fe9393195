/** A fenced block of README.md or of a page in docs. */
export interface Block {
  /** What stands behind the fence; "" where nothing does. */
  readonly language: string;
  /** The comment before it, such as `command: demo`; "" where there is none. */
  readonly mark: string;
  /** Whole lines, each with its line break. */
  readonly text: string;
}

export const README = new URL("../../../README.md", import.meta.url);
export const RECIPES = new URL("../../../.github/docs/recipes.md", import.meta.url);
export const OPERATION = new URL("../../../.github/docs/operation.md", import.meta.url);

/** The documents whose blocks are run or marked. */
const DOCUMENTS = [README, RECIPES, OPERATION];

const BLOCK = /(?:^<!-- (.*) -->\n\n)?^```(\w*)\n([^]*?)^```$/gm;

/** Reads the fenced blocks of all documents, in their order. */
export async function readBlocks(): Promise<Block[]> {
  const texts = await Promise.all(DOCUMENTS.map((path) => Deno.readTextFile(path)));
  return texts.flatMap((text) => [...text.matchAll(BLOCK)]).map(
    ([, mark = "", language, text]) => ({ language: language!, mark, text: text! }),
  );
}

/** The block with a mark, of which there must be one. */
export async function blockMarked(mark: string): Promise<Block> {
  const found = (await readBlocks()).filter((block) => block.mark === mark);
  if (found.length !== 1) throw new RangeError(`${found.length} blocks have the mark '${mark}'`);
  return found[0]!;
}

/** The block behind another one. */
export async function blockAfter(mark: string): Promise<Block> {
  const blocks = await readBlocks();
  const next = blocks[blocks.findIndex((block) => block.mark === mark) + 1];
  if (next === undefined) throw new RangeError(`No block is behind the mark '${mark}'`);
  return next;
}
