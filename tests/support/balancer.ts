import { writeAll } from "../../src/platform/net.ts";
import { fromLatin1 } from "../../src/resp/bytes.ts";
import { Resettable } from "./resettable.ts";
import { secure, TLS } from "./tls.ts";
import { WireClient } from "./wire.ts";

/** Connects to a port of 127.0.0.1 as a load balancer does, and sends some bytes. */
export async function connectAsBalancer(port: number, beginning: string): Promise<Resettable> {
  const tcp = await Resettable.connect("127.0.0.1", port);
  tcp.setNoDelay();
  if (beginning !== "") await writeAll(tcp, fromLatin1(beginning));
  return tcp;
}

/** Connects as a client behind a load balancer, which has sent a header; TLS begins after that. */
export async function connectBehind(port: number, header: string): Promise<WireClient> {
  const tcp = await connectAsBalancer(port, header);
  return new WireClient(TLS.clients ? await secure(tcp, "127.0.0.1") : tcp);
}
