import { assertEquals } from "@std/assert";
import { parseCertificate } from "../../../src/tls/certificate.ts";
import { TlsClient } from "../../../src/tls/client.ts";
import { KeyProof } from "../../../src/tls/key_proof.ts";
import { TlsServer } from "../../../src/tls/server.ts";
import { CLIENT, overriding, Pair, ROOT, SERVER } from "../../support/tls_pair.ts";

const leaf = ROOT.issue();

/** What a client and a server send to each other within a handshake of TLS 1.2. */
async function handshake(): Promise<{ sent: Uint8Array[]; received: Uint8Array[] }> {
  const sent: Uint8Array[] = [];
  const received: Uint8Array[] = [];
  const { near, far } = await Pair.tcp();
  const watched = overriding(far, {
    read: async (buffer) => {
      const count = await far.read(buffer);
      if (count !== null) received.push(buffer.slice(0, count));
      return count;
    },
    write: (bytes) => {
      sent.push(bytes.slice());
      return far.write(bytes);
    },
  });
  const server = new TlsServer({ ...SERVER, identity: leaf.identity });
  const client = new TlsClient({ ...CLIENT, verify: "chain" });
  using _pair = new Pair(
    ...await Promise.all([server.accept(near), client.connect(watched, "localhost")]),
  );
  return { sent, received };
}

function isProof(
  { sent, received }: { sent: readonly Uint8Array[]; received: readonly Uint8Array[] },
  certificate = leaf,
): boolean {
  const proof = new KeyProof();
  for (const bytes of sent) proof.sent(bytes);
  for (const bytes of received) proof.received(bytes);
  return proof.isOf(parseCertificate(certificate.der));
}

const one = await handshake();
const other = await handshake();

Deno.test("a server signs a handshake with the key of its certificate", () => {
  assertEquals(isProof(one), true);
  assertEquals(isProof(other), true);
});

Deno.test("a proof counts for its own handshake and certificate only", () => {
  assertEquals(isProof({ sent: one.sent, received: other.received }), false);
  assertEquals(isProof(one, ROOT.issue()), false);
});

Deno.test("a proof may arrive in pieces, but must be whole", () => {
  const bytes = new Uint8Array(one.received.flatMap((part) => [...part]));
  const pieces = Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
  assertEquals(isProof({ sent: one.sent, received: pieces }), true);
  const [first] = one.received as [Uint8Array];
  assertEquals(isProof({ sent: one.sent, received: [] }), false);
  for (let length = 0; length < 400; length += 7) {
    assertEquals(isProof({ sent: one.sent, received: [first.subarray(0, length)] }), false);
  }
});

Deno.test("every changed bit of what is signed is noticed", () => {
  const [first, ...rest] = one.received as [Uint8Array, ...Uint8Array[]];
  // The random bytes of ServerHello.
  for (let at = 11; at < 43; at++) {
    const changed = first.slice();
    changed[at]! ^= 1;
    assertEquals(isProof({ sent: one.sent, received: [changed, ...rest] }), false, `byte ${at}`);
  }
});
