import { assertEquals } from "@std/assert";
import { Scene } from "../support/scripted_node.ts";
import { until, within } from "../support/until.ts";

/** For what a proxy does without waiting for anybody, on a machine that may be busy. */
const AT_ONCE_MS = 2_000;

// What the system has given the program may reach it only when it has changed its mind. Here the
// runtime keeps it back so long.

Deno.test("a client that the system took before a stop is closed when the program gets it", async () => {
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
    const client = await scene.connect();
    await until("the system has taken the client", () => accepted === 1);
    const stopping = scene.proxy.proxy.stop();
    gate.resolve();
    await within("stop the proxy", stopping, AT_ONCE_MS);
    assertEquals(await client.readToEnd(), "");
  } finally {
    Deno.listen = listen;
  }
});

Deno.test("a node that takes a connection too late sees it closed", async () => {
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
});
