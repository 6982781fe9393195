import type { DetailedPeerCertificate, TLSSocket } from "node:tls";

/** The certificates that the peer has sent, its own first; empty if none. */
export function chainOf(socket: TLSSocket): Uint8Array[] {
  const chain: Uint8Array[] = [];
  let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  // The last certificate is its own issuer, or has none.
  while (next?.raw !== undefined && !chain.includes(next.raw)) {
    chain.push(next.raw);
    next = next.issuerCertificate;
  }
  return chain;
}
