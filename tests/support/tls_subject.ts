import { once } from "node:events";
import tls from "node:tls";
import { within } from "./until.ts";

/** The subject of the certificate that a new connection to a port of this machine gets. */
export async function subjectAt(port: number, ca: string): Promise<string> {
  const socket = tls.connect({ host: "127.0.0.1", port, ca });
  await once(socket, "secureConnect");
  const { subject } = socket.getPeerCertificate();
  const closed = once(socket, "close");
  socket.destroy();
  await within("close", closed, 5_000);
  return String(subject.CN);
}
