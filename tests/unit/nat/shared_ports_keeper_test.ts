import { assertEquals, assertRejects } from "@std/assert";
import { NodeConnectionError } from "../../../src/cluster/node_connection_error.ts";
import { SharedPortsKeeper } from "../../../src/nat/shared_ports_keeper.ts";
import { OperatorError } from "../../../src/platform/operator_error.ts";
import { TableScene, viewOf } from "../../support/views.ts";

Deno.test("a start that waits for the shared ports says why, and gives up in time", async () => {
  const { natTable } = new TableScene({ sharesPorts: true });
  const connector = { connect: () => Promise.reject(new NodeConnectionError("It is down")) };
  const keeper = new SharedPortsKeeper(
    { natTable, connector, apply: () => {} },
    { key: "nat:ports", firstPort: 8000 },
  );
  const obstacles: string[] = [];
  const view = viewOf(["a 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-16383"]);
  const beginning = keeper.begin(view, {
    limitMs: 600,
    onObstacle: (obstacle) => obstacles.push(obstacle),
  });
  await assertRejects(() => beginning, OperatorError, "It is down");
  assertEquals(obstacles, ["The shared ports cannot be used: It is down"]);
});
