import { join } from "node:path";
import { TlsClient } from "../../src/tls/client.ts";
import { TlsServer } from "../../src/tls/server.ts";
import type { Connection } from "../../src/platform/net.ts";
import { TestCertificate } from "./certificate.ts";

/** The sides of proxies that speak TLS in this run, as the variable TLS says. */
export const TLS = sidesOf(Deno.env.get("TLS") ?? "");

function sidesOf(text: string): { readonly clients: boolean; readonly nodes: boolean } {
  if (!["", "clients", "nodes", "both"].includes(text)) {
    throw new RangeError(`TLS is '${text}'; expected clients, nodes or both`);
  }
  return { clients: /clients|both/.test(text), nodes: /nodes|both/.test(text) };
}

/** Addresses of proxies that have the same ports on one machine; Linux only. */
export const PROXY_HOSTS = ["127.0.3.1", "127.0.3.2", "127.0.3.3"] as const;

/** Public hosts of proxies whose clients verify them; 192.0.2.1 is one in a namespace. */
const PUBLIC_HOSTS = [
  ...["localhost", "127.0.0.1", "::1", "nat.example", "192.0.2.1"],
  ...PROXY_HOSTS,
];

/** Who signs all certificates of this test file. */
export const AUTHORITY = TestCertificate.root();

const OWN = AUTHORITY.issue({ names: PUBLIC_HOSTS }).identity;

/** What a client needs, of a proxy or of a node, which wants a certificate of its own. */
export const CLIENT_TLS = { ca: AUTHORITY.pem, cert: OWN.certificates, key: OWN.key };

/** Where the certificates are, for programs; undefined in a run without TLS. */
export const TLS_DIRECTORY = TLS.clients || TLS.nodes ? writeFiles() : undefined;

function writeFiles(): string {
  const directory = Deno.makeTempDirSync({ prefix: "tls-" });
  for (const [name, text] of Object.entries(CLIENT_TLS)) {
    Deno.writeTextFileSync(join(directory, name), text, { mode: 0o600 });
  }
  globalThis.addEventListener("unload", () => Deno.removeSync(directory, { recursive: true }));
  return directory;
}

const [CA, CERT, KEY] = Object.keys(CLIENT_TLS).map((name) => join(TLS_DIRECTORY ?? "", name));

/**
 * How much the heap of a thread may grow by TLS under load: every record is a buffer of the runtime,
 * which is collected late.
 */
export const TLS_GROWTH_BYTES = 48 * 1024 * 1024 * (Number(TLS.clients) + Number(TLS.nodes));

/** How much memory an idle client may take in addition. */
export const TLS_IDLE_BYTES = 64 * 1024 * (Number(TLS.clients) + Number(TLS.nodes));

/** The environment variables of a proxy. */
export const TLS_VARIABLES: Readonly<Record<string, string>> = {
  ...TLS.clients && { TLS_CERT_FILE: CERT!, TLS_KEY_FILE: KEY! },
  ...TLS.nodes && {
    CLUSTER_TLS: "true",
    CLUSTER_TLS_CA_CERT_FILE: CA!,
    CLUSTER_TLS_CERT_FILE: CERT!,
    CLUSTER_TLS_KEY_FILE: KEY!,
  },
};

/** The options of redis-cli and its kin for a proxy, or for a node. */
export function toolOptions(to: keyof typeof TLS = "clients"): string[] {
  if (!TLS[to]) return [];
  return ["--tls", "--cacert", CA!, "--cert", CERT!, "--key", KEY!];
}

/** The options of redis-server for TLS. */
export function serverOptions(): string[] {
  return ["--tls-ca-cert-file", CA!, "--tls-cert-file", CERT!, "--tls-key-file", KEY!];
}

const CLIENT = new TlsClient({
  identity: OWN,
  ca: AUTHORITY.pem,
  serverName: undefined,
  verify: "full",
});

/** TLS towards nodes, undefined in a run without; for parts of a proxy. */
export const TLS_CONNECTOR = TLS.nodes ? CLIENT : undefined;

/** The methods of a connection before or after TLS that tests use. */
export type TestConnection =
  & Connection
  & Pick<Deno.TcpConn, "setNoDelay" | typeof Symbol.dispose>
  & { reset?(): void };

/** Connects to a proxy as its clients do. */
export async function connectToProxy(host: string, port: number): Promise<TestConnection> {
  const connection = await Deno.connect({ hostname: host, port });
  return TLS.clients ? await secure(connection, host) : connection;
}

/** Connects to a node as the proxy does. */
export async function connectToNode(host: string, port: number): Promise<TestConnection> {
  const connection = await Deno.connect({ hostname: host, port });
  return TLS.nodes ? await secure(connection, host) : connection;
}

/** Speaks TLS as a client on a connection to `host`, which is verified. */
export async function secure(connection: TestConnection, host: string): Promise<TestConnection> {
  // A handshake is several small packets.
  connection.setNoDelay();
  return over(connection, await CLIENT.connect(connection, host));
}

/** Speaks TLS on accepted connections as a node does, whose clients need a certificate. */
export class NodeTls {
  readonly #server: TlsServer;

  /** @param host the address of the node */
  constructor(host: string) {
    this.#server = new TlsServer({
      identity: AUTHORITY.issue({ names: [host] }).identity,
      clientCa: AUTHORITY.pem,
      clientAuth: "yes",
      minVersion: "TLSv1.2",
    });
  }

  /** Does the handshake. */
  async accept(connection: TestConnection): Promise<TestConnection> {
    return over(connection, await this.#server.accept(connection));
  }
}

/** TLS with the methods of the connection below it. */
export function over(tcp: TestConnection, tls: Connection): TestConnection {
  return {
    localAddr: tls.localAddr,
    remoteAddr: tls.remoteAddr,
    read: (bytes) => tls.read(bytes),
    write: (bytes) => tls.write(bytes),
    closeWrite: () => tls.closeWrite(),
    close: () => tls.close(),
    [Symbol.dispose]: () => tls.close(),
    setNoDelay: (on) => tcp.setNoDelay(on),
    ...tcp.reset && {
      reset() {
        tcp.reset!();
        tls.close();
      },
    },
  };
}

/** The hindrance of a test, see `unless`, if these sides speak TLS, or just one of them does. */
export function withTls(
  sides: keyof typeof TLS | "either" | "one",
  reason: string,
): string | undefined {
  const { clients, nodes } = TLS;
  const isOn = { clients, nodes, either: clients || nodes, one: clients !== nodes }[sides];
  return isOn ? `with TLS: ${reason}` : undefined;
}

/**
 * The hindrance of a test in which a node has to wait for a client among small replies: it may
 * retry a write with fewer bytes, which OpenSSL refuses. Valkey has mended that in 2025 (#1737).
 */
export const SLOW_TLS_CLIENT = withTls("nodes", "a node may close the connection of a slow client");
