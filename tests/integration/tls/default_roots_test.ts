import { assertEquals } from "@std/assert";
import tls from "node:tls";
import { daysFromNow, TestCertificate } from "../../support/certificate.ts";
import { connectTo, ROOT } from "../../support/tls_pair.ts";

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
    assertEquals(await connectTo(certificate.identity, { ca: undefined }), expected);
  });
}
