import { assert, assertEquals } from "@std/assert";
import type { HostPort } from "../../../src/platform/address.ts";
import { close, type Connection } from "../../../src/platform/net.ts";
import { TlsClient } from "../../../src/tls/client.ts";
import type { Identity, NodeMaterial, ServerMaterial } from "../../../src/tls/material.ts";
import { TlsServer } from "../../../src/tls/server.ts";
import { TestCertificate } from "../../support/certificate.ts";
import { type ClusterNode, RedisCluster } from "../../support/cluster.ts";
import { Openssl } from "../../support/openssl.ts";
import { TemporaryDirectory } from "../../support/temporary.ts";
import { CLIENT, outcome, ROOT, SERVER } from "../../support/tls_pair.ts";
import { within } from "../../support/until.ts";

const LEAF = ROOT.issue({ names: ["localhost"] });
const stranger = TestCertificate.root({ subject: "stranger" });

/** Writes the files that openssl is told to use, and returns their directory. */
async function files(own: Identity): Promise<TemporaryDirectory> {
  const directory = await TemporaryDirectory.create();
  await Deno.writeTextFile(directory.at("ca.pem"), ROOT.pem);
  await Deno.writeTextFile(directory.at("own.pem"), own.certificates);
  await Deno.writeTextFile(directory.at("own.key"), own.key);
  return directory;
}

const OWN = ["-cert", "own.pem", "-key", "own.key"];

async function dial({ host, port }: HostPort): Promise<Connection> {
  return await Deno.connect({ hostname: host, port });
}

async function readText(connection: Connection, length: number): Promise<string> {
  const buffer = new Uint8Array(1024);
  let text = "";
  while (text.length < length) {
    const count = await within("read", connection.read(buffer), 5000);
    if (count === null) throw new Error(`The end after '${text}'`);
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
  return text;
}

const text = (words: string) => new TextEncoder().encode(words);

/** Runs a client of openssl against a server, and shows both. */
async function accept(
  material: Partial<ServerMaterial>,
  args: readonly string[],
  test: (connection: Connection, openssl: Openssl) => Promise<void>,
  directory: string,
): Promise<void> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const address = { host: "127.0.0.1", port: listener.addr.port };
  await using openssl = Openssl.client(address, args, directory);
  const connection = await new TlsServer({ ...SERVER, ...material }).accept(
    await listener.accept(),
  );
  try {
    await test(connection, openssl);
  } finally {
    close(connection);
  }
}

for (const version of ["-tls1_2", "-tls1_3"]) {
  Deno.test(`a client of OpenSSL speaks ${version}, and verifies`, async () => {
    await using directory = await files(LEAF.identity);
    const verify = ["-CAfile", "ca.pem", "-verify_return_error", "-verify_hostname", "localhost"];
    const args = [version, "-servername", "localhost", ...verify, ...OWN];
    await accept({ clientAuth: "yes" }, args, async (connection, openssl) => {
      await openssl.send("hello");
      assertEquals(await readText(connection, 6), "hello\n");
      await connection.write(text("welcome"));
      await openssl.saw(/welcome/);
      await connection.closeWrite();
      // It says so only if the end of TLS arrived.
      await openssl.saw(/closed$/m);
    }, directory.at("."));
  });

  Deno.test(`a server of OpenSSL speaks ${version}, and verifies`, async () => {
    await using directory = await files(LEAF.identity);
    const args = [version, ...OWN, "-CAfile", "ca.pem", "-Verify", "1", "-verify_return_error"];
    await using openssl = Openssl.server(args, directory.at("."));
    const client = new TlsClient({ ...CLIENT, identity: ROOT.issue().identity });
    const connection = await client.connect(await dial(await openssl.address()), "localhost");
    await connection.write(text("hello\n"));
    await openssl.saw(/hello/);
    await openssl.send("welcome");
    assertEquals(await readText(connection, 8), "welcome\n");
    await connection.closeWrite();
    await openssl.saw(/CONNECTION CLOSED/);
    close(connection);
  });

  Deno.test(`a badly encoded certificate of a server that speaks ${version} is refused`, async () => {
    const own = ROOT.issue({ names: ["localhost"], isBadlyEncoded: true });
    await using directory = await files(own.identity);
    await using openssl = Openssl.server([version, ...OWN], directory.at("."));
    const connection = await dial(await openssl.address());
    assertEquals(await outcome(new TlsClient(CLIENT).connect(connection, "localhost")), "protocol");
  });
}

Deno.test("a certificate of version 1 of a server of OpenSSL is accepted by `chain`", async () => {
  const { identity } = ROOT.issue({ version: 1 });
  await using directory = await files(identity);
  await using openssl = Openssl.server(OWN, directory.at("."));
  const client = new TlsClient({ ...CLIENT, verify: "chain" });
  const connection = await client.connect(await dial(await openssl.address()), "localhost");
  await connection.write(text("hello\n"));
  await openssl.saw(/hello/);
  close(connection);
});

Deno.test("a badly encoded certificate of a client is refused", async () => {
  await using directory = await files(ROOT.issue({ isBadlyEncoded: true }).identity);
  const attempt = accept({ clientAuth: "yes" }, OWN, async () => {}, directory.at("."));
  assertEquals(await outcome(attempt), "protocol");
});

Deno.test("the oldest version is the one that is set", async () => {
  await using directory = await files(LEAF.identity);
  for (const [args, minVersion] of [["-tls1_1", "TLSv1.2"], ["-tls1_2", "TLSv1.3"]] as const) {
    const old = [args, "-cipher", "DEFAULT:@SECLEVEL=0"];
    assertEquals(
      await outcome(accept({ minVersion }, old, async () => {}, directory.at("."))),
      "version",
    );
  }
  await using openssl = Openssl.server(
    ["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0", ...OWN],
    directory.at("."),
  );
  const connection = await dial(await openssl.address());
  assertEquals(await outcome(new TlsClient(CLIENT).connect(connection, "localhost")), "version");
});

Deno.test("key updates and renegotiation do no harm", async () => {
  await using directory = await files(LEAF.identity);
  await accept({}, ["-tls1_3"], async (connection, openssl) => {
    for (let round = 0; round < 5; round++) {
      await openssl.send("K");
      await openssl.saw(new RegExp(`(KEYUPDATE[^]*){${round + 1}}`));
      await openssl.send(`after ${round}`);
      assertEquals(await readText(connection, 8), `after ${round}\n`);
      await connection.write(text(`answer ${round}`));
      await openssl.saw(new RegExp(`answer ${round}`));
    }
  }, directory.at("."));
  await accept({}, ["-tls1_2"], async (connection, openssl) => {
    await openssl.saw(/Verify return code/);
    await openssl.send("R");
    // It is refused, which openssl takes for an error or not.
    const found = await within(
      "see the end or the next line",
      connection.read(new Uint8Array(100)).catch((error) => error),
      5000,
    );
    assert(found === null || found instanceof Error, String(found));
  }, directory.at("."));
});

Deno.test("a session of a listener without client certificates is none with them", async () => {
  await using directory = await files(LEAF.identity);
  for (const version of ["-tls1_2", "-tls1_3"]) {
    const args = [version, "-sess_out", "session", "-servername", "localhost"];
    await accept({}, args, async (connection, openssl) => {
      await connection.write(text("welcome"));
      await openssl.saw(/welcome/);
      await connection.closeWrite();
      await openssl.saw(/closed$/m);
    }, directory.at("."));
    await Deno.stat(directory.at("session"));
    const again = [version, "-sess_in", "session", "-servername", "localhost"];
    await accept({}, again, async (_connection, openssl) => {
      await openssl.saw(/^Reused/m);
    }, directory.at("."));
    assertEquals(
      await outcome(accept({ clientAuth: "yes" }, again, async () => {}, directory.at("."))),
      "client-certificate-wanted",
    );
  }
});

Deno.test("a session under one CA of clients is none under another", async () => {
  await using directory = await files(LEAF.identity);
  for (const version of ["-tls1_2", "-tls1_3"]) {
    const args = [version, "-sess_out", "session", "-servername", "localhost", ...OWN];
    await accept({ clientAuth: "yes" }, args, async (connection, openssl) => {
      await connection.write(text("welcome"));
      await openssl.saw(/welcome/);
      await connection.closeWrite();
      await openssl.saw(/closed$/m);
    }, directory.at("."));
    const again = [version, "-sess_in", "session", "-servername", "localhost", ...OWN];
    await accept({ clientAuth: "yes" }, again, async () => {}, directory.at("."));
    for (const clientAuth of ["yes", "optional"] as const) {
      assertEquals(
        await outcome(
          accept({ clientAuth, clientCa: stranger.pem }, again, async () => {}, directory.at(".")),
        ),
        "unknown-ca",
      );
    }
  }
});

Deno.test("a real node is spoken to, with the certificate that it wants", async () => {
  await using cluster = await RedisCluster.start({ tls: "only", primaries: 1, replicasEach: 0 });
  const { ca, cert: certificates, key } = cluster.certificates;
  const [{ host, port }] = cluster.nodes as [ClusterNode];
  const connect = async (material: Partial<NodeMaterial>) => {
    const client = new TlsClient({ ...CLIENT, ca, ...material });
    const connection = await client.connect(await dial({ host, port }), host);
    try {
      await connection.write(text("PING\r\nQUIT\r\n"));
      assertEquals(await readText(connection, 12), "+PONG\r\n+OK\r\n");
      assertEquals(await connection.read(new Uint8Array(1)), null);
    } finally {
      close(connection);
    }
  };
  const identity = { certificates, key };
  await connect({ identity });
  await connect({ identity, serverName: "localhost" });
  const refusals: [Partial<NodeMaterial>, string][] = [
    [{}, "client-certificate-wanted"],
    [{ identity: stranger.issue().identity }, "client-certificate-refused"],
    [{ identity, ca: stranger.pem }, "unknown-ca"],
    [{ identity, serverName: "other.example" }, "wrong-name"],
  ];
  for (const [material, reason] of refusals) {
    assertEquals(await outcome(connect(material)), reason);
  }
});
