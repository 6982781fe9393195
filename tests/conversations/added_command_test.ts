import { assertEquals } from "@std/assert";
import { buildCommands } from "../../src/commands/command_spec.ts";
import { COMMAND_ROWS, type CommandRow } from "../../src/commands/table.ts";
import { ModelNode } from "../fuzz/node.ts";
import { haveSession } from "../fuzz/session.ts";
import {
  type Conversation,
  converse,
  everyReception,
  PRIVATE_WORD,
  PUBLIC_WORD,
  showReception,
  unmarked,
  wireOf,
} from "../support/conversation.ts";
import { array, bulk, int, OK } from "../support/frames.ts";
import { seededRandom } from "../support/random.ts";

// A command that a future server may have needs its rows in the table, and nothing else.
const ROWS: readonly CommandRow[] = [
  ...COMMAND_ROWS,
  { name: "locate", reply: "slots" },
  { name: "attach", address: { at: 1 } },
  { name: "attach2", subcommand: "to", address: { after: "to" }, isSecret: true },
];
const COMMANDS = buildCommands(ROWS);

const SLOTS = `«slots ${array(array(int(0), int(5), array(bulk("10.0.0.1"), int(7000))))}»`;

Deno.test("a command is added by a row: its request and its reply are rewritten", async () => {
  const talk: Conversation = [
    ["LOCATE", `attach ${PUBLIC_WORD} 8000`, `ATTACH2 to ${PUBLIC_WORD} 8000`, "PING"],
    SLOTS + OK + OK + OK,
  ];
  const node = unmarked(talk[1] as string);
  for (const reception of everyReception(node.length)) {
    const received: Conversation = [talk[0]!, node];
    const { client, upstream, error } = await converse(received, reception, COMMANDS);
    const how = showReception(reception);
    assertEquals(error, undefined, how);
    assertEquals(client, talk[1], how);
    const requests = (talk[0] as string[]).map((words) => words.replace(PUBLIC_WORD, PRIVATE_WORD));
    assertEquals(upstream, wireOf(requests), how);
  }
});

Deno.test("the model of a node reads rows that are added", async () => {
  const wire = wireOf(["MULTI", `ATTACH ${PUBLIC_WORD} 8000`, "LOCATE", "EXEC"]);
  for (let seed = 0; seed < 50; seed++) {
    const node = new ModelNode(seededRandom(seed), wire, ROWS);
    const { client } = await haveSession(seededRandom(seed), wire, node, COMMANDS);
    assertEquals(client, node.expected, `seed ${seed}`);
  }
});
