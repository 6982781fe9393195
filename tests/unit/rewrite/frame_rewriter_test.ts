import { assertEquals, assertRejects } from "@std/assert";
import type { NodeRef } from "../../../src/cluster/node_ref.ts";
import { fromLatin1, toLatin1 } from "../../../src/resp/bytes.ts";
import type { AddressMap } from "../../../src/rewrite/address_map.ts";
import { rewriteFrame } from "../../../src/rewrite/frame_rewriter.ts";
import type { Rewriter } from "../../../src/rewrite/public_addresses.ts";
import { rewriteClients } from "../../../src/rewrite/replies/client_list.ts";
import { rewriteNodes } from "../../../src/rewrite/replies/nodes.ts";
import { rewriteRedirect } from "../../../src/rewrite/replies/redirect.ts";
import { EmptyAddressMap } from "../../support/address_map.ts";
import { bulk } from "../../support/frames.ts";

/** An address map that knows the nodes at port 7001, and records what it has to find. */
class RecordingMap extends EmptyAddressMap {
  readonly error = new Error("no public port");
  readonly searches: string[] = [];

  override portOf({ port }: NodeRef): number | undefined {
    return port === 7001 ? 8001 : undefined;
  }

  override resolvePort(ref: NodeRef, sinceMs: number): Promise<number | undefined> {
    this.searches.push(`${ref.host}:${ref.port} since ${sinceMs}`);
    return ref.port === 7009 ? Promise.reject(this.error) : Promise.resolve(ref.port + 1000);
  }

  override clientAt(upstream: string): null | undefined {
    return upstream.endsWith(":1") ? null : undefined;
  }

  override fetchClients(upstreams: readonly string[]): Promise<ReadonlyMap<string, string>> {
    this.searches.push(`clients ${upstreams.join(" ")}`);
    return Promise.resolve(new Map([["10.0.0.9:2", "192.0.2.1:50002"]]));
  }
}

async function rewritten(wire: string, rewrite: Rewriter, addressMap: AddressMap) {
  return toLatin1(await rewriteFrame(fromLatin1(wire), rewrite, addressMap, 5));
}

Deno.test("a frame of known nodes is rewritten without a search", async () => {
  const map = new RecordingMap();
  const frame = await rewritten("-MOVED 1 10.0.0.2:7001\r\n", rewriteRedirect, map);
  assertEquals(frame, "-MOVED 1 nat.example:8001\r\n");
  assertEquals(map.searches, []);
});

Deno.test("a public IP address stands beside the public host where nodes have host names", async () => {
  const map = new RecordingMap();
  map.publicIp = "203.0.113.7";
  const line = (address: string) => bulk(`${"b".repeat(40)} ${address} master - 0 0 1 connected\n`);
  for (const [hasHostnames, hostname] of [[true, ",nat.example"], [false, ""]] as const) {
    map.hasHostnames = hasHostnames;
    const frame = await rewritten(line("10.0.0.2:7001@17001"), rewriteNodes, map);
    assertEquals(frame, line(`203.0.113.7:8001@17001${hostname}`));
  }
});

Deno.test("each unknown node is resolved once, and the frame is rewritten again", async () => {
  const map = new RecordingMap();
  const line = (address: string) => `${"b".repeat(40)} ${address}@17000 master - 0 0 1 connected\n`;
  const frame = await rewritten(
    bulk(line("10.0.0.3:7002") + line("10.0.0.2:7001") + line("10.0.0.3:7002")),
    rewriteNodes,
    map,
  );
  const [two, one] = ["nat.example:8002", "nat.example:8001"];
  assertEquals(frame, bulk(line(two!) + line(one!) + line(two!)));
  assertEquals(map.searches, ["10.0.0.3:7002 since 5"]);
});

Deno.test("a node refers to itself under an unknown id", async () => {
  const line = (address: string) =>
    `${"c".repeat(40)} ${address}@17000 myself,master - 0 0 1 connected\n`;
  const map = new RecordingMap();
  assertEquals(
    await rewritten(bulk(line("10.0.0.1:7000")), rewriteNodes, map),
    bulk(line("nat.example:8000")),
  );
  assertEquals(map.searches, []);
});

Deno.test("clients that may be of other threads are fetched in one query", async () => {
  const map = new RecordingMap();
  const list = "addr=10.0.0.9:1\naddr=10.0.0.9:2\naddr=10.0.0.9:3\n";
  assertEquals(
    await rewritten(bulk(list), rewriteClients, map),
    bulk("addr=nat.example:1\naddr=192.0.2.1:50002\naddr=nat.example:3\n"),
  );
  assertEquals(map.searches, ["clients 10.0.0.9:2 10.0.0.9:3"]);
});

Deno.test("a node that cannot be resolved fails the frame", async () => {
  const map = new RecordingMap();
  const failed = rewritten("-MOVED 1 10.0.0.2:7009\r\n", rewriteRedirect, map);
  assertEquals(await assertRejects(() => failed), map.error);
});
