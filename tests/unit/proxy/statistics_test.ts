import { assertEquals } from "@std/assert";
import { CONNECT_TIME_BOUNDS, Statistics } from "../../../src/proxy/statistics.ts";

const A = { view: "default", port: 8000 };
const B = { view: "vpn", port: 8000 };

Deno.test("the statistics of several threads add up, port by port and view by view", () => {
  const [one, other] = [new Statistics(), new Statistics()];
  one.at(A).accepted = 2;
  one.at(A).connectFailures.refused = 1;
  one.refused.max_connections = 1;
  one.ended.client_closed = 4;
  other.at(A).accepted = 3;
  other.at(B).receivedFromNode = 2 ** 40;
  other.ended.client_closed = 1;
  other.rewritten.slots = 7;
  other.unmapped = 1;
  other.handshakes.client.failed = 5;
  const sum = new Statistics();
  // Threads post copies.
  for (const statistics of [one, other]) sum.add(structuredClone(statistics));
  assertEquals([...sum.ports.values()].map(({ view, port }) => [view, port]), [
    ["default", 8000],
    ["vpn", 8000],
  ]);
  assertEquals(sum.at(A).accepted, 5);
  assertEquals(sum.at(A).connectFailures.refused, 1);
  assertEquals(sum.at(B).receivedFromNode, 2 ** 40);
  assertEquals(sum.refused.max_connections, 1);
  assertEquals(sum.ended.client_closed, 5);
  assertEquals([sum.rewritten.slots, sum.unmapped, sum.handshakes.client.failed], [7, 1, 5]);
  assertEquals(one.at(A).accepted, 2);
});

Deno.test("a connection to a node counts in the bucket of its time, bounds included", () => {
  const statistics = new Statistics();
  const port = statistics.at(A);
  for (const seconds of [0.0005, 0, 0.75, 5, 6.25]) statistics.connected(port, seconds);
  const expected: number[] = CONNECT_TIME_BOUNDS.map(() => 0);
  expected[0] = 2;
  expected[CONNECT_TIME_BOUNDS.indexOf(1)] = 1;
  expected[CONNECT_TIME_BOUNDS.indexOf(5)] = 1;
  expected.push(1);
  assertEquals(statistics.connectTimes, expected);
  assertEquals([port.connects, port.connectSeconds.toFixed(4)], [5, "12.0005"]);
});
