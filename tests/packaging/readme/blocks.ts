/** A fenced block of README.md. */
export interface Block {
  /** What stands behind the fence; "" where nothing does. */
  readonly language: string;
  /** The comment before it, such as `command: demo`; "" where there is none. */
  readonly mark: string;
  /** Whole lines, each with its line break. */
  readonly text: string;
}

/** The path of README.md. */
export const README = new URL("../../../README.md", import.meta.url);

const BLOCK = /(?:^<!-- (.*) -->\n\n)?^```(\w*)\n([^]*?)^```$/gm;

/** Reads all fenced blocks, in their order. */
export async function readBlocks(): Promise<Block[]> {
  const text = await Deno.readTextFile(README);
  return [...text.matchAll(BLOCK)].map(([, mark = "", language, text]) => {
    return { language: language!, mark, text: text! };
  });
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
