import { assertThrows } from "@std/assert";
import { assertPair } from "../../../src/tls/identity.ts";
import { TlsClient } from "../../../src/tls/client.ts";
import { TlsServer } from "../../../src/tls/server.ts";
import { TestCertificate } from "../../support/certificate.ts";
import { CLIENT, SERVER } from "../../support/tls_pair.ts";

const { certificates, key } = TestCertificate.root().issueCa().issue().identity;

Deno.test("a certificate chain and its key are a pair", () => {
  assertPair({ certificates, key });
});

Deno.test("a key that is another, is encrypted or is none makes no pair", () => {
  const refused = (wrong: string, message: string) =>
    assertThrows(() => assertPair({ certificates, key: wrong }), SyntaxError, message);
  refused(TestCertificate.root().keyPem, "The key does not belong to the first certificate");
  refused("", "not an unencrypted private key");
  refused(certificates, "not an unencrypted private key");
  refused(key.replaceAll("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"), "not an unencrypted private key");
});

Deno.test("a certificate that is none makes no pair", () => {
  assertThrows(() => assertPair({ certificates: "", key }), SyntaxError, "no certificate");
  assertThrows(() => assertPair({ certificates: key, key }), SyntaxError, "no certificate");
});

Deno.test("TLS does not begin with unusable material", () => {
  const other = { certificates, key: TestCertificate.root().keyPem };
  assertThrows(() => new TlsServer({ ...SERVER, identity: other }), SyntaxError, "not belong");
  assertThrows(() => new TlsClient({ ...CLIENT, identity: other }), SyntaxError, "not belong");
  const withoutCa = { ...SERVER, clientAuth: "yes", clientCa: undefined } as const;
  assertThrows(() => new TlsServer(withoutCa), SyntaxError, "no CA");
  assertThrows(() => new TlsClient({ ...CLIENT, ca: "x" }), SyntaxError, "no certificate");
});
