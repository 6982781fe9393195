import { assertEquals, assertRejects } from "@std/assert";
import type { NodeConnection } from "../../../src/cluster/node_connection.ts";
import { NodeConnectionError, replyError } from "../../../src/cluster/node_connection_error.ts";
import type { NodeConnector } from "../../../src/cluster/shared_hash.ts";
import { SharedPortsKeeper } from "../../../src/nat/shared_ports_keeper.ts";
import { OperatorError } from "../../../src/platform/operator_error.ts";
import { TableScene, viewOf } from "../../support/views.ts";

const VIEW = viewOf(["a 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-16383"]);

/** A keeper whose connections come from `connect`. */
function keeperOf(connect: NodeConnector["connect"]): SharedPortsKeeper {
  const { natTable } = new TableScene({ sharesPorts: true });
  const context = { natTable, connector: { connect }, apply: () => {} };
  return new SharedPortsKeeper(context, { key: "nat:ports", firstPort: 8000 });
}

Deno.test("a start that waits for the shared ports says why, and gives up in time", async () => {
  const keeper = keeperOf(() => Promise.reject(new NodeConnectionError("It is down")));
  const obstacles: string[] = [];
  const beginning = keeper.begin(VIEW, {
    limitMs: 600,
    onObstacle: (obstacle) => obstacles.push(obstacle),
  });
  await assertRejects(() => beginning, OperatorError, "It is down");
  assertEquals(obstacles, ["The shared ports cannot be used: It is down"]);
});

Deno.test("a key of another type is explained, at the start and by --check", async () => {
  const address = { host: "10.0.0.1", port: 7000 };
  const connection = {
    remote: address,
    close() {},
    requestAll: (requests: string[][]) =>
      Promise.resolve(requests.map((request) => replyError(address, request, "WRONGTYPE Wrong"))),
  };
  const keeper = keeperOf(() => Promise.resolve(connection as unknown as NodeConnection));
  const message = "The key 'nat:ports' holds another type than a hash; use another key with " +
    "--shared-ports";
  await assertRejects(() => keeper.begin(VIEW, { limitMs: 0 }), OperatorError, message);
  await assertRejects(() => keeper.check(VIEW), OperatorError, message);
});
