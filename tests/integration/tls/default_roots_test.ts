import { assertEquals } from "@std/assert";
import tls from "node:tls";
import { close } from "../../../src/platform/net.ts";
import { TlsClient } from "../../../src/tls/client.ts";
import { TlsError } from "../../../src/tls/tls_error.ts";
import { daysFromNow, TestCertificate } from "../../support/certificate.ts";
import { CLIENT, ROOT } from "../../support/tls_pair.ts";

// Every test file has a runtime of its own, so this concerns no other.
(tls as unknown as { setDefaultCACertificates(pems: string[]): void })
  .setDefaultCACertificates([ROOT.pem]);

const stranger = TestCertificate.root({ subject: "stranger" });
const impostor = TestCertificate.root();
const oldCa = impostor.issueCa({ version: 1 });
const badCa = impostor.issueCa({ isBadlyEncoded: true });

const CHAINS: Record<string, [string, TestCertificate]> = {
  "of a root": ["ok", ROOT.issue()],
  "of an intermediate": ["ok", ROOT.issueCa().issue()],
  "of another root": ["unknown-ca", stranger.issue()],
  "of a root with the same name": ["unknown-ca", impostor.issue()],
  "that has expired": ["expired", ROOT.issue({ notAfter: daysFromNow(-0.5) })],
  "that is not valid yet": ["not-yet-valid", ROOT.issue({ notBefore: daysFromNow(1) })],
  "for clients": ["wrong-usage", ROOT.issue({ usages: ["clientAuth"] })],
  "of version 1, forged": ["unknown-ca", impostor.issue({ version: 1 })],
  "of an intermediate of version 1, forged": ["unknown-ca", oldCa.issue()],
  "of a badly encoded intermediate, forged": ["protocol", badCa.issue()],
  "for another host": ["wrong-name", ROOT.issue({ names: ["other.example"] })],
};

for (const [name, [expected, certificate]] of Object.entries(CHAINS)) {
  Deno.test(`without a CA a node's certificate ${name} leads to: ${expected}`, async () => {
    const { certificates: cert, key } = certificate.identity;
    const server = tls.createServer({ cert, key });
    server.on("tlsClientError", () => {});
    server.on("secureConnection", (socket) => socket.on("error", () => {}));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    let found = "ok";
    try {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port });
      const client = new TlsClient({ ...CLIENT, ca: undefined });
      close(await client.connect(connection, "localhost"));
    } catch (error) {
      found = error instanceof TlsError ? error.reason : String(error);
    }
    await new Promise((resolve) => server.close(resolve));
    assertEquals(found, expected);
  });
}
