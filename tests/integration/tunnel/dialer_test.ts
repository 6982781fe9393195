import { assert, assertEquals, assertRejects } from "@std/assert";
import { parseHostPort } from "../../../src/platform/address.ts";
import type { NodeDialerOptions } from "../../../src/cluster/node_dialer.ts";
import { dialError } from "../../../src/cluster/node_connection_error.ts";
import { close } from "../../../src/platform/net.ts";
import { TunnelDownError } from "../../../src/tunnel/tunnel_error.ts";
import { dialerWith } from "../../support/dialer.ts";
import { Peer } from "../../support/peer.ts";
import { findFreePorts } from "../../support/ports.ts";
import { ScriptedNode } from "../../support/scripted_node.ts";
import { withTls } from "../../support/tls.ts";
import { unless } from "../../support/unless.ts";

const NODE = parseHostPort("node.internal:7000");

const TIMEOUT_MS = 200;

const TLS_PEERS = withTls("nodes", "a tunnel speaks plain text");

function throughTunnelAt(port: number, more: Partial<NodeDialerOptions> = {}) {
  const via = { protocol: "socks5", at: { host: "127.0.0.1", port }, login: undefined } as const;
  return dialerWith({ via, connectTimeoutMs: TIMEOUT_MS, ...more });
}

/** Dials the node, which must fail, and returns the line for the operator. */
async function failure(port: number): Promise<{ error: Error; message: string }> {
  const dialing = () => throughTunnelAt(port).dial(NODE, new AbortController());
  const error = await assertRejects(dialing, Error);
  return { error, message: dialError(NODE, error).message };
}

Deno.test("a tunnel that is down is one problem of all nodes", async () => {
  const port = findFreePorts(1);
  const { error, message } = await failure(port);
  assert(error instanceof TunnelDownError);
  assertEquals(
    message,
    `The tunnel socks5://127.0.0.1:${port} cannot be reached: Connection refused (os error 111); ` +
      "start it, or correct --via",
  );
});

Deno.test(
  unless(TLS_PEERS, "a tunnel that does not speak SOCKS5 is one problem of all nodes", async () => {
    await using web = new Peer({ answer: "HTTP/1.1 400 Bad Request\r\n\r\n" });
    const { error, message } = await failure(web.port);
    assert(error instanceof TunnelDownError);
    assertEquals(
      message,
      "The tunnel does not speak SOCKS5; correct the address or scheme of --via",
    );
  }),
);

Deno.test(
  unless(TLS_PEERS, "a tunnel that does not answer in time is a problem of the node", async () => {
    await using silent = new Peer();
    const { message } = await failure(silent.port);
    assertEquals(
      message,
      `Node node.internal:7000 cannot be reached: the tunnel has not reached it within ${TIMEOUT_MS} ms`,
    );
  }),
);

Deno.test(
  unless(TLS_PEERS, "a tunnel that resets the connection is a problem of the node", async () => {
    await using tunnel = await ScriptedNode.start();
    const failing = failure(tunnel.port);
    const peer = await tunnel.accept();
    await peer.readUntil("\x05\x01\0");
    peer.reset();
    const { message } = await failing;
    assertEquals(
      message,
      "Node node.internal:7000 cannot be reached: the tunnel broke the connection; see its log",
    );
  }),
);

Deno.test("an attempt that is stopped fails with the reason, not with one about the tunnel", async () => {
  await using silent = new Peer();
  const attempt = new AbortController();
  const dialing = throughTunnelAt(silent.port).dial(NODE, attempt);
  attempt.abort(new RangeError("enough"));
  await assertRejects(() => dialing, RangeError, "enough");
});

Deno.test(
  unless(
    TLS_PEERS,
    "with --dial-map the connection has the address of the node, and no own one",
    async () => {
      await using node = new Peer({ answer: "+OK\r\n" });
      const { host, port } = node;
      const dialMap = [{ node: { host: NODE.host }, dialled: { host, port } }];
      const connection = await dialerWith({ dialMap }).dial(NODE, new AbortController());
      try {
        const { remoteAddr, localAddr } = connection;
        assertEquals([remoteAddr.hostname, remoteAddr.port], [NODE.host, NODE.port]);
        // Another client of the node may have that address there.
        assertEquals(localAddr.hostname, "unknown");
      } finally {
        close(connection);
      }
    },
  ),
);

Deno.test("through a tunnel, only addresses that are the same there can be own ones", async () => {
  const via = { protocol: "http", at: { host: "127.0.0.1", port: 1 }, login: undefined } as const;
  const listen = { host: "", port: 8000 };
  const dialer = dialerWith(
    { via, listen, publicHost: "198.51.100.7" },
    { atPort: (port) => port === 8000 ? {} : undefined },
    () => Promise.resolve(["127.0.0.1"]),
  );
  const own = ["198.51.100.7:8000", "127.0.0.1:8000", "[::1]:8000", "localhost:8000"]
    .map((address) => dialer.isOwn(parseHostPort(address)));
  assertEquals(await Promise.all(own), [true, false, false, false]);
});
