import { assertEquals, assertStringIncludes } from "@std/assert";
import tls from "node:tls";
import { close } from "../../../src/platform/net.ts";
import type { Identity, NodeMaterial, ServerMaterial } from "../../../src/tls/material.ts";
import { TlsClient } from "../../../src/tls/client.ts";
import { TlsServer } from "../../../src/tls/server.ts";
import { daysFromNow, TestCertificate } from "../../support/certificate.ts";
import { CLIENT, connectTo, outcome, Pair, ROOT, SERVER } from "../../support/tls_pair.ts";

const stranger = TestCertificate.root({ subject: "stranger" });
/** A CA with the name of the right one, and another key. */
const impostor = TestCertificate.root();

/** What a server finds when a client of the runtime connects, which shows anything. */
async function acceptFrom(
  identity: Identity | undefined,
  material: Partial<ServerMaterial> = {},
): Promise<string> {
  const server = new TlsServer({ ...SERVER, clientAuth: "yes", ...material });
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const socket = tls.connect({
    port: listener.addr.port,
    host: "127.0.0.1",
    ca: ROOT.pem,
    ...(identity && { cert: identity.certificates, key: identity.key }),
  });
  socket.on("error", () => {});
  const closed = new Promise((resolve) => socket.once("close", resolve));
  try {
    return await outcome(server.accept(await listener.accept()));
  } finally {
    socket.destroy();
    await closed;
  }
}

const GOOD = { names: ["localhost"] };
const intermediate = ROOT.issueCa();
const genuine1 = ROOT.issue({ ...GOOD, version: 1 });
const oldCa = impostor.issueCa({ version: 1 });

const CHAINS: Record<string, [string, Identity]> = {
  "signed by the CA": ["ok", ROOT.issue(GOOD).identity],
  "signed by an intermediate": ["ok", intermediate.issue(GOOD).identity],
  "signed by an intermediate that is not shown": ["unknown-ca", alone(intermediate.issue(GOOD))],
  "of another CA": ["unknown-ca", stranger.issue(GOOD).identity],
  "of a CA with the same name": ["unknown-ca", impostor.issue(GOOD).identity],
  "that signed itself": ["unknown-ca", TestCertificate.selfSigned(GOOD).identity],
  "that has expired": ["expired", ROOT.issue({ ...GOOD, notAfter: daysFromNow(-0.1) }).identity],
  "that is not valid yet": [
    "not-yet-valid",
    ROOT.issue({ ...GOOD, notBefore: daysFromNow(1) }).identity,
  ],
  "for no usage": ["wrong-usage", ROOT.issue({ ...GOOD, usages: [] }).identity],
  "of version 1, forged": ["unknown-ca", impostor.issue({ ...GOOD, version: 1 }).identity],
  "of version 1, genuine": ["unknown-ca", genuine1.identity],
  // The runtime accepts it, because only the names of the issuers are right.
  "of an intermediate of version 1, forged": ["unknown-ca", oldCa.issue(GOOD).identity],
  // The runtime accepts it, because it does not look for the key.
  "of version 1, genuine, shown without its key": ["unknown-ca", {
    ...genuine1.identity,
    key: stranger.keyPem,
  }],
};
function alone({ pem, keyPem }: TestCertificate): Identity {
  return { certificates: pem, key: keyPem };
}

for (const [name, [expected, identity]] of Object.entries(CHAINS)) {
  const verb = expected === "ok" ? "accepted" : "refused";
  Deno.test(`a node with a certificate ${name} is ${verb}`, async () => {
    assertEquals(await connectTo(identity), expected);
    const byChain = name === "of version 1, genuine" ? "ok" : expected;
    assertEquals(await connectTo(identity, { verify: "chain" }), byChain);
  });
  Deno.test(`a client with a certificate ${name} is ${verb}`, async () => {
    assertEquals(await acceptFrom(identity), expected);
    assertEquals(await acceptFrom(identity, { clientAuth: "optional" }), expected);
  });
}

Deno.test("a certificate for clients is none for nodes, and the reverse", async () => {
  const forClients = ROOT.issue({ ...GOOD, usages: ["clientAuth"] }).identity;
  const forNodes = ROOT.issue({ ...GOOD, usages: ["serverAuth"] }).identity;
  assertEquals(await connectTo(forClients), "wrong-usage");
  assertEquals(await acceptFrom(forClients), "ok");
  assertEquals(await connectTo(forNodes), "ok");
  assertEquals(await acceptFrom(forNodes), "wrong-usage");
});

Deno.test("a client shows a certificate if it must, and may show one if it can", async () => {
  assertEquals(await acceptFrom(undefined), "client-certificate-wanted");
  assertEquals(await acceptFrom(undefined, { clientAuth: "optional" }), "ok");
  assertEquals(await acceptFrom(undefined, { clientAuth: "no" }), "ok");
  assertEquals(await acceptFrom(stranger.issue().identity, { clientAuth: "no" }), "ok");
});

Deno.test("the name is that of the host, or the one that is given", async () => {
  const identity = ROOT.issue({ names: ["redis.example", "*.nodes.example", "10.0.0.1"] }).identity;
  const cases: [string, string, string?][] = [
    ["ok", "redis.example"],
    ["ok", "a.nodes.example"],
    ["ok", "10.0.0.1"],
    ["wrong-name", "a.b.nodes.example"],
    ["wrong-name", "localhost"],
    ["wrong-name", "10.0.0.2"],
    ["ok", "10.0.0.2", "redis.example"],
    ["ok", "other.example", "10.0.0.1"],
    ["wrong-name", "redis.example", "other.example"],
  ];
  for (const [expected, host, serverName] of cases) {
    const shown = `${host} ${serverName}`;
    assertEquals(await connectTo(identity, { serverName }, host), expected, shown);
    assertEquals(await connectTo(identity, { serverName, verify: "chain" }, host), "ok", shown);
  }
});

Deno.test("a name in the subject only is one for `chain` only", async () => {
  const { identity } = ROOT.issue({ subject: "localhost", names: [] });
  assertEquals(await connectTo(identity), "wrong-name");
  assertEquals(await connectTo(identity, { verify: "chain" }), "ok");
});

Deno.test("`chain` accepts a certificate of version 1 of a node that has the key", async () => {
  for (const keyType of ["P-256", "P-384", "RSA", "Ed25519"] as const) {
    const { identity } = ROOT.issue({ version: 1, keyType });
    // Again and again: a session that is resumed would prove nothing.
    for (let round = 0; round < 3; round++) {
      assertEquals(await connectTo(identity, { verify: "chain" }), "ok", keyType);
    }
    assertEquals(await connectTo(identity, { verify: "full" }), "unknown-ca", keyType);
    const stolen = { ...identity, key: stranger.keyPem };
    assertEquals(await connectTo(stolen, { verify: "chain" }), "unknown-ca", keyType);
  }
});

Deno.test("NODE_TLS_REJECT_UNAUTHORIZED changes nothing", async () => {
  Deno.env.set("NODE_TLS_REJECT_UNAUTHORIZED", "0");
  try {
    assertEquals(await connectTo(stranger.issue(GOOD).identity), "unknown-ca");
    assertEquals(await connectTo(ROOT.issue().identity, {}, "other.example"), "wrong-name");
    assertEquals(await acceptFrom(stranger.issue().identity), "unknown-ca");
    assertEquals(await acceptFrom(undefined), "client-certificate-wanted");
  } finally {
    Deno.env.delete("NODE_TLS_REJECT_UNAUTHORIZED");
  }
});

Deno.test("a client that trusts another CA does not resume a session with the node", async () => {
  const server = new TlsServer(SERVER);
  const connect = async (material: Partial<NodeMaterial>, host = "localhost") => {
    const { near, far } = await Pair.tcp();
    // With the reply comes what would resume the session.
    const serve = async () => {
      const connection = await server.accept(near);
      await connection.write(new Uint8Array(1));
      await connection.read(new Uint8Array(1));
      close(connection);
    };
    const served = serve().catch(() => {});
    const client = async () => {
      const connection = await new TlsClient({ ...CLIENT, ...material }).connect(far, host);
      await connection.read(new Uint8Array(1));
      return connection;
    };
    const found = await outcome(client());
    await served;
    close(near);
    return found;
  };
  assertEquals(await connect({}), "ok");
  assertEquals(await connect({ ca: stranger.pem }), "unknown-ca");
  assertEquals(await connect({ verify: "chain" }, "other.example"), "ok");
  assertEquals(await connect({}, "other.example"), "wrong-name");
});

Deno.test("new material counts from the next handshake on, and bad material is refused", async () => {
  const server = new TlsServer(SERVER);
  const client = new TlsClient(CLIENT);
  const shake = async () => {
    const { near, far } = await Pair.tcp();
    const accepted = server.accept(near).catch(() => undefined);
    const found = await outcome(client.connect(far, "localhost"));
    const connection = await accepted;
    if (connection !== undefined) close(connection);
    return found;
  };
  assertEquals(await shake(), "ok");
  server.update({ ...SERVER, identity: stranger.issue(GOOD).identity });
  assertEquals(await shake(), "unknown-ca");
  const bad = { ...SERVER.identity, key: stranger.keyPem };
  let message = "";
  try {
    server.update({ ...SERVER, identity: bad });
  } catch (error) {
    message = String(error);
  }
  assertStringIncludes(message, "The key does not belong to the first certificate");
  assertEquals(await shake(), "unknown-ca");
  client.update({ ...CLIENT, ca: stranger.pem });
  assertEquals(await shake(), "ok");
});
