/**
 * The smallest relay for the same runtime: it reads and writes and parses nothing. Its cost above
 * HAProxy's is the runtime's part of the proxy's cost.
 *
 *     deno run --allow-net tests/bench/relay.ts HOST FIRST-PORT NODE-HOST:PORT...
 */
const [listenHost = "", firstPort, ...nodes] = Deno.args;

for (const [index, node] of nodes.entries()) serve(Number(firstPort) + index, node);

async function serve(port: number, node: string): Promise<void> {
  const [hostname = "", nodePort] = node.split(":");
  for await (const client of Deno.listen({ hostname: listenHost, port })) {
    connect(client, { hostname, port: Number(nodePort) });
  }
}

async function connect(client: Deno.TcpConn, node: Deno.ConnectOptions): Promise<void> {
  const upstream = await Deno.connect(node);
  for (const connection of [client, upstream]) connection.setNoDelay(true);
  try {
    await Promise.all([relay(client, upstream), relay(upstream, client)]);
  } catch {
    // One side has ended, so end both.
  }
  client.close();
  upstream.close();
}

async function relay(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(32 * 1024);
  for (let read; (read = await from.read(buffer)) !== null;) {
    for (let at = 0; at < read;) at += await to.write(buffer.subarray(at, read));
  }
  await to.closeWrite();
}
