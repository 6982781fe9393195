import { splitAddress } from "../../platform/address.ts";
import type { Value } from "../../resp/frame.ts";
import type { AddressMap } from "../address_map.ts";
import { portAt, publicWord } from "../words.ts";

/** How CLUSTER MEET refuses an address, which follows (cluster.c `clusterCommand`). */
const INVALID_ADDRESS = "ERR Invalid node address specified: ";

/** How a node refuses a command that has been renamed; its first words follow, in quotes. */
const UNKNOWN_COMMAND = "ERR unknown command ";

/** Whether the text of an error begins like one that repeats words of the request. */
export function repeatsRequest(text: string): boolean {
  return text.startsWith(INVALID_ADDRESS) || text.startsWith(UNKNOWN_COMMAND);
}

/**
 * Rewrites the errors that repeat the addresses in a request, which may be private ones by now.
 * One that is no node's is as the client sent it.
 */
export function rewriteRefusal(frame: Value, addresses: AddressMap): Value {
  if ("items" in frame || frame.text === null) return frame;
  if (frame.text.startsWith(INVALID_ADDRESS)) {
    const address = splitAddress(frame.text.slice(INVALID_ADDRESS.length));
    const port = address && portAt(address, addresses);
    if (port !== undefined) frame.text = `${INVALID_ADDRESS}${addresses.host}:${port}`;
  } else if (frame.text.startsWith(UNKNOWN_COMMAND)) {
    frame.text = shortened(frame.text)
      .replace(TWO_WORDS, (words, before: string, host: string, between: string, port: string) => {
        const known = portAt({ host, port: Number(port) }, addresses);
        return known === undefined ? words : `${before}${addresses.host}${between}${known}`;
      })
      .replace(ONE_WORD, (word) => publicWord(word, addresses));
  }
  return frame;
}

/**
 * Servers cut the words off after 128 bytes (server.c `rejectCommandFormat`), and half an address
 * is not known for one: where that may have happened no words are left.
 */
function shortened(text: string): string {
  const [before, words] = text.split(WORDS_BEGIN, 2);
  return words === undefined || words.length < SURELY_WHOLE ? text : before + WORDS_BEGIN;
}

const WORDS_BEGIN = "with args beginning with: ";

const SURELY_WHOLE = 100;

/** A host and a port as two words: `'10.0.0.1' '7000'`, before 7.0 with backquotes and a comma. */
const TWO_WORDS = /(['`])([\w.:-]+)(\1,? \1)(\d{1,5})(?=\1)/g;

/** The two as one word. */
const ONE_WORD = /(?<=['`])[\w.:[\]-]+:\d{1,5}(?=['`])/g;
