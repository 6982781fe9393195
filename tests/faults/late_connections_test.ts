import { assertEquals } from "@std/assert";
import { Scene } from "../support/scripted_node.ts";
import { withTls } from "../support/tls.ts";
import { unless } from "../support/unless.ts";
import { until, within } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";

/** For an action without any wait, on a busy machine. */
const AT_ONCE_MS = 2_000;

// The kernel may have established a connection before a stop that the program gets after it. Here
// the runtime is delayed to show that.

Deno.test("a client in the accept queue at a stop is closed", async () => {
  const { listen } = Deno;
  const gate = Promise.withResolvers<void>();
  let accepted = 0;
  Deno.listen = ((options: Deno.TcpListenOptions) => {
    const listener = listen(options);
    const accept = listener.accept.bind(listener);
    listener.accept = async () => {
      const client = await accept();
      accepted++;
      await gate.promise;
      return client;
    };
    return listener;
  }) as typeof Deno.listen;
  try {
    await using scene = await Scene.start({ threads: 1 });
    // The handshake of TLS would wait for the end.
    using client = await WireClient.connectTcp(scene.node.host, scene.port);
    await until("the system has taken the client", () => accepted === 1);
    const stopping = scene.proxy.proxy.stop();
    gate.resolve();
    await within("stop the proxy", stopping, AT_ONCE_MS);
    assertEquals(await client.readToEnd(), "");
  } finally {
    Deno.listen = listen;
  }
});

Deno.test(unless(
  withTls("nodes", "the node sees a connection only when its handshake begins"),
  "an upstream connection that is established after a stop is closed",
  async () => {
    const { connect } = Deno;
    await using scene = await Scene.start({ threads: 1 });
    const gate = Promise.withResolvers<void>();
    let connected = 0;
    Deno.connect = (async ({ signal: _signal, ...options }: Deno.ConnectOptions) => {
      const connection = await connect(options);
      connected++;
      await gate.promise;
      return connection;
    }) as typeof Deno.connect;
    try {
      const client = await scene.connect();
      const peer = await scene.node.accept();
      await until("the node is reached", () => connected === 1);
      const stopping = scene.proxy.proxy.stop();
      assertEquals(await client.readToEnd(), "");
      gate.resolve();
      await within("stop the proxy", stopping, AT_ONCE_MS);
      assertEquals(await peer.readToEnd(), "");
    } finally {
      Deno.connect = connect;
    }
  },
));
