import { assertEquals, assertRejects } from "@std/assert";
import type { NodeAddress } from "../../../src/cluster/node_address.ts";
import type { NodeConnection } from "../../../src/cluster/node_connection.ts";
import { NodeConnectionError, replyError } from "../../../src/cluster/node_connection_error.ts";
import { SharedHash } from "../../../src/cluster/shared_hash.ts";
import { formatHostPort } from "../../../src/platform/address.ts";
import type { Value } from "../../../src/resp/frame.ts";

const KEY = "k";

/** A reply in short: `OK`, `(nil)`, `-ERR …` or the items of an array. */
type Short = string | readonly string[];

function valueOf(short: Short, request: string[], at: NodeAddress): Value | NodeConnectionError {
  if (typeof short !== "string") {
    return { type: "*", items: short.map((text): Value => ({ type: "$", text })) };
  }
  if (short === "(nil)") return { type: "*", items: null };
  if (short.startsWith("-")) return replyError(at, request, short.slice(1));
  return { type: "+", text: short };
}

/** Nodes at hosts of one letter that reply as scripted, each reply once. */
class Nodes {
  /** As `host: REQUEST, REQUEST`, one for each pipeline. */
  readonly asked: string[] = [];
  readonly #replies: Short[];
  replicas = 0;

  constructor(...replies: Short[]) {
    this.#replies = replies;
  }

  get hash(): SharedHash {
    return new SharedHash(KEY, this, {
      addressesFor: () => ["a", "b", "c"].map((host) => ({ host, port: 1 })),
      dialAddress: (address) => address,
      replicasOf: () => this.replicas,
    });
  }

  connect(address: NodeAddress): Promise<NodeConnection> {
    const connection = {
      address,
      remote: address,
      close() {},
      requestAll: (requests: string[][]) => {
        const words = requests.map((request) => request.join(" ")).join(", ");
        this.asked.push(`${address.host}: ${words}`);
        return Promise.resolve(
          requests.map((request) => {
            const reply = this.#replies.shift();
            if (reply === undefined) {
              return new NodeConnectionError(`${formatHostPort(address)} is down`);
            }
            return valueOf(reply, request, address);
          }),
        );
      },
    };
    return Promise.resolve(connection as unknown as NodeConnection);
  }
}

Deno.test("a hash is read from the node to which redirects lead, and from there at once", async () => {
  const nodes = new Nodes("-MOVED 1 b:1", "-MOVED 1 :7", ["f", "1"], []);
  const { hash } = nodes;
  assertEquals(await hash.read(), new Map([["f", "1"]]));
  assertEquals(await hash.read(), new Map());
  // A node that does not know its own host redirects to another port of itself.
  const asked = ["a: HGETALL k", "b: HGETALL k", "b: HGETALL k", "b: HGETALL k"];
  assertEquals(nodes.asked, asked);
});

Deno.test("redirects without an end are given up", async () => {
  const nodes = new Nodes(...Array<string>(20).fill("-MOVED 1 b:1"));
  await assertRejects(() => nodes.hash.read(), NodeConnectionError, "MOVED 1 b:1");
  assertEquals(nodes.asked.length, 6);
});

Deno.test("after a failure another node is asked where the hash is", async () => {
  const nodes = new Nodes("-CLUSTERDOWN The cluster is down", "-LOADING", []);
  const { hash } = nodes;
  for (let attempt = 0; attempt < 2; attempt++) {
    await assertRejects(() => hash.read(), NodeConnectionError);
  }
  await hash.read();
  assertEquals(nodes.asked, ["a: HGETALL k", "b: HGETALL k", "c: HGETALL k"]);
});

Deno.test("a write is decided again if the hash has changed since it was read", async () => {
  const first = ["OK", [], "OK", "QUEUED", "(nil)"];
  const second = ["OK", ["f", "1"], "OK", "QUEUED", ["1"], "1"];
  const nodes = new Nodes(...first, ...second);
  nodes.replicas = 2;
  const seen: number[] = [];
  const updated = await nodes.hash.update((fields) => {
    seen.push(fields.size);
    return new Map([["g", `${fields.size}`]]);
  });
  assertEquals(updated, { fields: new Map([["f", "1"], ["g", "1"]]), unacknowledged: 1 });
  assertEquals(seen, [0, 1]);
  assertEquals(nodes.asked, [
    "a: WATCH k, HGETALL k",
    "a: MULTI, HSET k g 0, EXEC",
    "a: WATCH k, HGETALL k",
    "a: MULTI, HSET k g 1, EXEC",
    "a: WAIT 2 500",
  ]);
});

Deno.test("a write that is not needed is none", async () => {
  const nodes = new Nodes("OK", ["f", "1"]);
  const { unacknowledged } = await nodes.hash.update(() => new Map());
  assertEquals([nodes.asked.length, unacknowledged], [1, 0]);
});

Deno.test("a node that imports the slot is sent ASKING before each command", async () => {
  const moved = ["-ASK 1 b:1", "-ASK 1 b:1"];
  const nodes = new Nodes(...moved, "OK", "OK", "OK", [], "OK", "OK", "QUEUED", ["1"]);
  await nodes.hash.update(() => new Map([["f", "1"]]));
  assertEquals(nodes.asked.slice(1), [
    "b: ASKING, WATCH k, ASKING, HGETALL k",
    "b: ASKING, MULTI, HSET k f 1, EXEC",
  ]);
});

Deno.test("a user who may not write is told what is missing; one who may not wait writes", async () => {
  const denied = "-NOPERM this user has no permissions to run the 'hset' command";
  const nodes = new Nodes("OK", [], "OK", denied, "-EXECABORT");
  const error = await assertRejects(
    () => nodes.hash.update(() => new Map([["f", "1"]])),
    NodeConnectionError,
    "'hset' command; the proxy needs +hgetall +hset +watch +multi +exec +wait +asking and ~KEY",
  );
  assertEquals((error as NodeConnectionError).isPermanent, true);
  const waiting = new Nodes("OK", [], "OK", "QUEUED", ["1"], "-NOPERM no 'wait'");
  waiting.replicas = 1;
  const { unacknowledged } = await waiting.hash.update(() => new Map([["f", "1"]]));
  assertEquals(unacknowledged, 1);
});

Deno.test("an error that refuses a write does not repeat all fields", async () => {
  const nodes = new Nodes("OK", [], "OK", "-OOM command not allowed", "-EXECABORT");
  const error = await assertRejects(
    () => nodes.hash.update(() => new Map([["f", "1"]])),
    NodeConnectionError,
  );
  assertEquals(
    error.message,
    "Node a:1 replied to HSET k with an error: OOM command not allowed",
  );
});
