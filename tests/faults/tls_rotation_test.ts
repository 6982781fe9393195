import { assert, assertEquals } from "@std/assert";
import { TlsClient } from "../../src/tls/client.ts";
import { TestCertificate } from "../support/certificate.ts";
import { RedisCluster } from "../support/cluster.ts";
import { nodeFlags } from "../support/cluster_tls.ts";
import { NatProcess } from "../support/nat_process.ts";
import { TemporaryDirectory } from "../support/temporary.ts";
import { over } from "../support/tls.ts";
import { TlsDirectory } from "../support/tls_directory.ts";
import { subjectAt } from "../support/tls_subject.ts";
import { CLIENT } from "../support/tls_pair.ts";
import { until } from "../support/until.ts";
import { WireClient } from "../support/wire.ts";

const AT = "127.0.0.1";

const ONE_NODE = { primaries: 1, replicasEach: 0 };

const PONG = { type: "+", text: "PONG" } as const;

/** Clients that connect again and again, and clients that stay. */
const EACH = 4;

/** New connections after a change, which reach every thread. */
const CHECKS = 20;

/** Certificates of clients may be for less than that, on a busy machine. */
const SHORT_MS = 4_000;

/** A client that verifies the proxy, and may show a certificate. */
async function connect(
  port: number,
  ca: string,
  identity: TestCertificate["identity"] | undefined = undefined,
): Promise<WireClient> {
  const tcp = await Deno.connect({ hostname: AT, port });
  const client = new TlsClient({ ...CLIENT, ca, identity });
  return new WireClient(over(tcp, await client.connect(tcp, AT)));
}

/** Sends one request after the other until `stop`. */
class Load {
  #isStopped = false;
  served = 0;
  readonly #done: Promise<unknown>;

  constructor(port: number, ca: string) {
    const each = (visit: () => Promise<void>) => Array.from({ length: EACH }, visit);
    const ask = async (client: WireClient) => {
      assertEquals(await client.ask("PING"), PONG);
      this.served++;
    };
    this.#done = Promise.all([
      ...each(async () => {
        while (!this.#isStopped) {
          using client = await connect(port, ca);
          await ask(client);
        }
      }),
      ...each(async () => {
        using client = await connect(port, ca);
        while (!this.#isStopped) await ask(client);
      }),
    ]);
    this.#done.catch(() => {});
  }

  /** Stops; fails if a request has failed. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#done;
  }
}

Deno.test("a new certificate of the proxy costs no request under load", async () => {
  await using directory = await TlsDirectory.create("one", "two");
  const ca = directory.read("ca.crt");
  await using cluster = await RedisCluster.start(ONE_NODE);
  const [node] = cluster.nodes;
  await using nat = await NatProcess.serve(node!, directory.flags("one"));
  const port = nat.portOf(node!);
  const load = new Load(port, ca);
  assertEquals(await subjectAt(port, ca), "one");
  await until("requests flow", () => load.served > 10 * EACH);
  for (const kind of ["crt", "key"]) {
    Deno.renameSync(directory.at(`two.${kind}`), directory.at(`one.${kind}`));
  }
  nat.signal("SIGHUP");
  await nat.untilLogged(/New connections use the changed files of --tls-cert-file, --tls-key-file/);
  // Each thread learns of it by a message.
  await until("new connections get it", async () => {
    for (let check = 0; check < CHECKS; check++) {
      if (await subjectAt(port, ca) !== "two") return false;
    }
    return true;
  });
  const { served } = load;
  await until("requests flow", () => load.served > served + 10 * EACH);
  await load.stop();
});

Deno.test("a certificate that expires ends no connection of its client", async () => {
  await using directory = await TlsDirectory.create("proxy");
  const ca = directory.read("ca.crt");
  const root = TestCertificate.root();
  const flags = [
    ...directory.flags("proxy"),
    `--tls-ca-cert-file=${directory.write("clients.crt", root.pem)}`,
  ];
  await using cluster = await RedisCluster.start(ONE_NODE);
  const [node] = cluster.nodes;
  await using nat = await NatProcess.serve(node!, flags);
  const port = nat.portOf(node!);
  // Certificates count in seconds.
  const endMs = Math.ceil((Date.now() + SHORT_MS) / 1000) * 1000;
  const { identity } = root.issue({ notAfter: new Date(endMs) });
  using early = await connect(port, ca, identity);
  assertEquals(await early.ask("PING"), PONG);
  await until("it has expired", () => Date.now() > endMs + 1000);
  assertEquals(await early.ask("PING"), PONG);
  const late = connect(port, ca, identity).then(async (client) => {
    using _ = client;
    return await client.readToEnd();
  }, () => "");
  assertEquals(await late, "");
  await nat.untilLogged(/WARN .*The client's certificate, or its CA's, has expired: renew it/);
  assertEquals(await early.ask("PING"), PONG);
});

Deno.test("nodes may change to certificates of another CA", async () => {
  await using directory = await TemporaryDirectory.create();
  await using cluster = await RedisCluster.start({ ...ONE_NODE, tls: "only" });
  const { nodes: [node], certificates } = cluster;
  const { files } = certificates;
  const bundle = directory.at("ca.pem");
  await Deno.writeTextFile(bundle, certificates.ca);
  await using nat = await NatProcess.serve(
    node!,
    nodeFlags({ ...certificates, files: { ...files, "tls-ca-cert-file": bundle } }),
  );
  const port = nat.portOf(node!);
  using early = await WireClient.connect(AT, port);
  assertEquals(await early.ask("PING"), PONG);
  const root = TestCertificate.root({ subject: "the next CA" });
  await Deno.writeTextFile(bundle, certificates.ca + root.pem);
  nat.signal("SIGHUP");
  await nat.untilLogged(/New connections use the changed files of --cluster-tls-ca-cert-file/);
  const { certificates: cert, key } = root.issue({ names: [node!.host] }).identity;
  await Deno.writeTextFile(files["tls-cert-file"], cert);
  await Deno.writeTextFile(files["tls-key-file"], key);
  // The node reads both files again.
  assertEquals(
    await early.ask("CONFIG", "SET", "tls-cert-file", files["tls-cert-file"]),
    { type: "+", text: "OK" },
  );
  for (let check = 0; check < CHECKS; check++) {
    using client = await WireClient.connect(AT, port);
    assertEquals(await client.ask("PING"), PONG);
  }
  assertEquals(await early.ask("PING"), PONG);
  assert(!nat.stderr.includes("Cannot connect to node"), nat.stderr);
});
