import { assertEquals } from "@std/assert";
import { buildCommands } from "../../src/commands/command_spec.ts";
import { COMMAND_ROWS, type CommandRow } from "../../src/commands/command_rows.ts";
import { ModelNode } from "../fuzz/node.ts";
import { runSession } from "../fuzz/session.ts";
import {
  type Conversation,
  converse,
  describeReception,
  everyReception,
  PRIVATE_HOST,
  PUBLIC_HOST,
  unmarked,
  wireOf,
} from "../support/conversation.ts";
import { array, bulk, int, OK } from "../support/frames.ts";
import { seededRandom } from "../support/random.ts";

// To support a new command takes only its rows in the table.
const ROWS: readonly CommandRow[] = [
  ...COMMAND_ROWS,
  { name: "locate", reply: "slots" },
  { name: "attach", address: { at: 1 } },
  { name: "attach2", subcommand: "to", address: { after: "to" }, isSecret: true },
];
const COMMANDS = buildCommands(ROWS);

const SLOTS = `«slots ${array(array(int(0), int(5), array(bulk("10.0.0.1"), int(7000))))}»`;

Deno.test("a row adds a command: its requests and replies are rewritten", async () => {
  const conversation: Conversation = [
    ["LOCATE", `attach ${PUBLIC_HOST} 8000`, `ATTACH2 to ${PUBLIC_HOST} 8000`, "PING"],
    SLOTS + OK + OK + OK,
  ];
  const node = unmarked(conversation[1] as string);
  for (const reception of everyReception(node.length)) {
    const received: Conversation = [conversation[0]!, node];
    const { client, upstream, error } = await converse(received, reception, COMMANDS);
    const how = describeReception(reception);
    assertEquals(error, undefined, how);
    assertEquals(client, conversation[1], how);
    const requests = (conversation[0] as string[]).map((request) =>
      request.replace(PUBLIC_HOST, PRIVATE_HOST)
    );
    assertEquals(upstream, wireOf(requests), how);
  }
});

Deno.test("the model node of the fuzz tests uses added rows", async () => {
  const wire = wireOf(["MULTI", `ATTACH ${PUBLIC_HOST} 8000`, "LOCATE", "EXEC"]);
  for (let seed = 0; seed < 50; seed++) {
    const node = new ModelNode(seededRandom(seed), wire, ROWS);
    const { client } = await runSession(seededRandom(seed), wire, node, COMMANDS);
    assertEquals(client, node.expected, `seed ${seed}`);
  }
});
