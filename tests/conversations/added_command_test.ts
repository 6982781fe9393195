import { assertEquals } from "@std/assert";
import { buildCommands } from "../../src/commands/command_spec.ts";
import { COMMAND_ROWS, type CommandRow } from "../../src/commands/command_rows.ts";
import { ModelNode } from "../fuzz/node.ts";
import { runSession } from "../fuzz/session.ts";
import {
  converse,
  describeReception,
  everyReception,
  PRIVATE_HOST,
  PUBLIC_HOST,
  unmarked,
  wireOf,
} from "../support/conversation.ts";
import { seededRandom } from "../support/random.ts";
import { transcript } from "./transcript.ts";

// To support a new command takes only its rows in the table.
const ROWS: readonly CommandRow[] = [
  ...COMMAND_ROWS,
  { name: "locate", reply: "slots" },
  { name: "attach", address: { at: 1 } },
  { name: "attach2", subcommand: "to", address: { after: "to" }, isSecret: true },
];
const COMMANDS = buildCommands(ROWS);

Deno.test("a row adds a command: its requests and replies are rewritten", async () => {
  const requests = ["LOCATE", "attach HOST 8000", "ATTACH2 to HOST 8000", "PING"];
  const [sent, forwarded] = [PUBLIC_HOST, PRIVATE_HOST].map((host) =>
    requests.map((request) => request.replace("HOST", host))
  );
  const [expected] = transcript("< SLOTS OK OK OK") as [string];
  const node = unmarked(expected);
  for (const reception of everyReception(node.length)) {
    assertEquals(
      await converse([sent!, node], reception, { commands: COMMANDS }),
      { client: expected, upstream: wireOf(forwarded!), error: undefined },
      describeReception(reception),
    );
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
