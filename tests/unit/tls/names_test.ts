import { assertEquals } from "@std/assert";
import { parseCertificate } from "../../../src/tls/certificate.ts";
import { isForHost, namesOf } from "../../../src/tls/names.ts";
import { TestCertificate } from "../../support/certificate.ts";

const NAMES = ["redis.example", "*.nodes.example", "*.com", "10.0.0.1", "fd00::1"];
const certificate = parseCertificate(TestCertificate.selfSigned({ names: NAMES }).der);

for (
  const host of [
    ...["redis.example", "REDIS.example", "redis.example.", "a.nodes.example", "A.NODES.EXAMPLE"],
    ...["10.0.0.1", "fd00::1", "fd00:0:0:0:0:0:0:1", "FD00::0001"],
  ]
) {
  Deno.test(`a certificate for ${NAMES.join(", ")} is for ${host}`, () => {
    assertEquals(isForHost(certificate, host), true);
  });
}

for (
  const host of [
    ...["example", "other.example", "a.redis.example", "nodes.example", "a.b.nodes.example"],
    ...[".nodes.example", "*.nodes.example.org", "a.com", "leaf", "", "."],
    ...["10.0.0.2", "10.0.0.1.example", "fd00::2", "::ffff:10.0.0.1"],
  ]
) {
  Deno.test(`a certificate for ${NAMES.join(", ")} is not for '${host}'`, () => {
    assertEquals(isForHost(certificate, host), false);
  });
}

Deno.test("a name in the subject only is no name", () => {
  const { der } = TestCertificate.selfSigned({ subject: "redis.example", names: [] });
  assertEquals(isForHost(parseCertificate(der), "redis.example"), false);
});

Deno.test("an address as a host name is no address", () => {
  const { der } = TestCertificate.selfSigned({ names: ["10-0-0-1.example", "*.0.0.1.example"] });
  assertEquals(isForHost(parseCertificate(der), "10.0.0.1"), false);
});

Deno.test("a message shows the names as users write them", () => {
  const { der } = TestCertificate.selfSigned({ names: NAMES });
  assertEquals(namesOf(parseCertificate(der)), NAMES.join(", "));
});

Deno.test("a message shows the first of many names", () => {
  const names = Array.from({ length: 8 }, (_, index) => `${index}.example`);
  const { der } = TestCertificate.selfSigned({ names });
  assertEquals(
    namesOf(parseCertificate(der)),
    "0.example, 1.example, 2.example, 3.example, 4.example and 3 more",
  );
});
