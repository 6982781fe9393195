import { assertEquals } from "@std/assert";
import { PublicView, type PublicViewOptions } from "../../../src/nat/public_view.ts";
import type { SessionRewriter } from "../../../src/proxy/session_rewriter.ts";
import { rewriteRedirect } from "../../../src/rewrite/replies/redirect.ts";
import { rewriterFor, rewritten } from "../../support/session_rewriter.ts";
import { Logged } from "../../support/logged.ts";
import { idOf, line, TableScene } from "../../support/views.ts";

/** Where the client has connected to. */
const REACHED = "192.0.2.7";

const OPTIONS: PublicViewOptions = {
  name: "default",
  listen: { host: "", port: 8000 },
  publicHost: "nat.example",
};

/** The rewriter of a session with node a at port 8000; node b is at 8001. */
function rewriterOf(view: PublicView, readPublicPorts = () => Promise.resolve()): SessionRewriter {
  const { natTable } = new TableScene().knowing([
    "a 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-16383",
    line("b", "10.0.0.2:7000"),
  ]);
  const node = natTable.withId(idOf("a"))!;
  return rewriterFor({ view, natTable, node, reachedAt: REACHED, readPublicPorts });
}

function rewrite(rewriter: SessionRewriter, frame: string): Promise<string> {
  return rewritten(rewriter, frame, rewriteRedirect);
}

const MEET = ["CLUSTER", "MEET"];

/** A view, the port that clients are shown for node b, and a port of the proxy that is not it. */
const SHOWN: Record<string, [view: PublicView, shown: string, other: number]> = {
  "the port of the listener": [new PublicView(OPTIONS), "nat.example:8001", 9001],
  "the public port": [
    new PublicView({ ...OPTIONS, firstPublicPort: 31000 }),
    "nat.example:31001",
    8001,
  ],
  "the address that the client connected to": [
    new PublicView({ ...OPTIONS, publicHost: undefined }),
    `${REACHED}:8001`,
    9001,
  ],
  "the public port of another view": [
    new PublicView(
      { ...OPTIONS, name: "b", listen: { host: "", port: 9000 }, firstPublicPort: 41000 },
      OPTIONS,
    ),
    "nat.example:41001",
    9001,
  ],
};

for (const [name, [view, shown, other]] of Object.entries(SHOWN)) {
  Deno.test(`a redirect names ${name}, and a request with it the node`, async () => {
    const rewriter = rewriterOf(view);
    assertEquals(await rewrite(rewriter, "-MOVED 1 10.0.0.2:7000\r\n"), `-MOVED 1 ${shown}\r\n`);
    const [host, port] = shown.split(":") as [string, string];
    const translated = await rewriter.rewriteRequest([...MEET, host, port], "meet");
    assertEquals(translated, [...MEET, "10.0.0.2", "7000"]);
    assertEquals(await rewriter.rewriteRequest([...MEET, host, `${other}`], "meet"), undefined);
    const own = [...["CLIENT", "LIST", "LADDR"], `${host}:${Number(port) - 1}`];
    const list = await rewriter.rewriteRequest(own, "client");
    assertEquals(list?.at(-1), "10.0.0.1:7000");
  });
}

Deno.test("no port is shown that is not known, and no request is translated by it", async () => {
  using logged = new Logged();
  const view = new PublicView({ ...OPTIONS, awaitsPublicPorts: true });
  const rewriter = rewriterOf(view);
  const moved = "-MOVED 1 10.0.0.2:7000\r\n";
  const clusterDown = "-CLUSTERDOWN The proxy has no port for a node of this reply\r\n";
  const ownAt = async (port: number) => {
    const list = ["CLIENT", "LIST", "LADDR", `nat.example:${port}`];
    return (await rewriter.rewriteRequest(list, "client"))?.at(-1);
  };
  assertEquals(await rewrite(rewriter, moved), clusterDown);
  assertEquals(await ownAt(8000), undefined);

  view.updatePublicPorts([{ listen: 8001, public: 31001 }]);
  assertEquals(await rewrite(rewriter, moved), "-MOVED 1 nat.example:31001\r\n");
  assertEquals(await rewrite(rewriter, "-MOVED 1 10.0.0.1:7000\r\n"), clusterDown);
  view.updatePublicPorts([{ listen: 8000, public: 8001 }, { listen: 8001, public: 8000 }]);
  assertEquals(await rewrite(rewriter, moved), "-MOVED 1 nat.example:8000\r\n");
  assertEquals([await ownAt(8000), await ownAt(8001)], [undefined, "10.0.0.1:7000"]);
  // The file of public ports is reported once for all clients.
  assertEquals(logged.lines, []);
});

Deno.test("a port that is not known is read for whoever needs it", async () => {
  const view = new PublicView({ ...OPTIONS, awaitsPublicPorts: true });
  let reads = 0;
  const rewriter = rewriterOf(view, () => {
    reads++;
    view.updatePublicPorts([{ listen: 8001, public: 31001 }]);
    return Promise.resolve();
  });
  for (let times = 0; times < 2; times++) {
    const moved = await rewrite(rewriter, "-MOVED 1 10.0.0.2:7000\r\n");
    assertEquals([moved, reads], ["-MOVED 1 nat.example:31001\r\n", 1]);
  }
});
