import tls from "node:tls";
import { close, type Connection } from "../../src/platform/net.ts";
import { TlsClient } from "../../src/tls/client.ts";
import type { Identity, NodeMaterial, ServerMaterial } from "../../src/tls/material.ts";
import { TlsServer } from "../../src/tls/server.ts";
import { TlsError } from "../../src/tls/tls_error.ts";
import { TestCertificate } from "./certificate.ts";

/** The two ends of one connection, which are closed when the block ends. */
export class Pair<Near extends Connection = Connection> implements Disposable {
  constructor(readonly near: Near, readonly far: Near) {}

  /** Connects in TCP. */
  static async tcp(): Promise<Pair<Deno.TcpConn>> {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const [near, far] = await Promise.all([
      listener.accept(),
      Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }),
    ]);
    near.setNoDelay();
    far.setNoDelay();
    return new Pair(near, far);
  }

  /** Connects in TLS: `near` is the server's end. */
  static async tls(tls = new TestTls()): Promise<Pair> {
    const { near, far } = await Pair.tcp();
    return new Pair(
      ...await Promise.all([tls.server.accept(near), tls.client.connect(far, "localhost")]),
    );
  }

  [Symbol.dispose](): void {
    close(this.near);
    close(this.far);
  }
}

/** A server and a client of TLS that trust one CA; by default the client shows no certificate. */
export class TestTls {
  readonly server: TlsServer;
  readonly client: TlsClient;

  constructor(
    { server = {}, client = {} }: {
      server?: Partial<ServerMaterial>;
      client?: Partial<NodeMaterial>;
    } = {},
  ) {
    this.server = new TlsServer({ ...SERVER, ...server });
    this.client = new TlsClient({ ...CLIENT, ...client });
  }
}

/** The CA of `SERVER` and `CLIENT`. */
export const ROOT: TestCertificate = TestCertificate.root();

/** Material for a server at localhost and 127.0.0.1. */
export const SERVER: ServerMaterial = {
  identity: ROOT.issue({ names: ["localhost", "127.0.0.1"] }).identity,
  clientCa: ROOT.pem,
  clientAuth: "no",
  minVersion: "TLSv1.2",
};

/** Material for a client without a certificate. */
export const CLIENT: NodeMaterial = {
  identity: undefined,
  ca: ROOT.pem,
  serverName: undefined,
  verify: "full",
};

/** A connection of which some methods are others. */
export function overriding(base: Connection, methods: Partial<Connection>): Connection {
  return {
    read: (buffer) => base.read(buffer),
    write: (bytes) => base.write(bytes),
    closeWrite: () => base.closeWrite(),
    close: () => base.close(),
    localAddr: base.localAddr,
    remoteAddr: base.remoteAddr,
    ...methods,
  };
}

/** What it led to: "ok", the reason of a TlsError, or the name of another error. */
export async function outcome(attempt: Promise<Connection | void>): Promise<string> {
  try {
    const connection = await attempt;
    if (connection !== undefined) close(connection);
    return "ok";
  } catch (error) {
    if (error instanceof TlsError) return error.reason;
    return error instanceof Error ? error.name : String(error);
  }
}

/** What a client finds that connects to a server of the runtime, which shows any certificate. */
export async function connectTo(
  { certificates: cert, key }: Identity,
  material: Partial<NodeMaterial> = {},
  host = "localhost",
): Promise<string> {
  const server = tls.createServer({ cert, key });
  // The client ends the connection when it refuses the certificate.
  server.on("tlsClientError", () => {});
  server.on("secureConnection", (socket) => socket.on("error", () => {}));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as { port: number };
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    return await outcome(new TlsClient({ ...CLIENT, ...material }).connect(connection, host));
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}
