import { formatHostPort, type HostPort, splitAddress } from "../../platform/address.ts";
import { mapText, type Value } from "../../resp/frame.ts";
import type { PublicAddresses } from "../public_addresses.ts";

/**
 * Rewrites CLIENT LIST and CLIENT INFO (networking.c `catClientInfoString`): a line for each
 * client, with the peer's address in `addr=` and the node's own in `laddr=`, IPv6 in brackets. A
 * client of this proxy is shown with the address from which it reached the proxy. Any other peer,
 * such as another node, is on the private side: its host becomes the public one, and its port stays
 * so that such lines differ.
 */
export function rewriteClients(frame: Value, addresses: PublicAddresses): Value {
  return mapText(
    frame,
    (text) =>
      text.replace(ADDRESS, (_field, before: string, name: string, address: string) => {
        const isOwn = name === "laddr" && tcpAddress(address) !== undefined;
        return `${before}${name}=${
          isOwn
            ? formatHostPort({ host: addresses.ip, port: addresses.ownPort })
            : publicPeer(address, addresses)
        }`;
      }),
  );
}

/** The public form of a peer's address. */
function publicPeer(address: string, addresses: PublicAddresses): string {
  const peer = tcpAddress(address);
  if (peer === undefined) return address;
  return addresses.clientAt(address) ?? formatHostPort({ host: addresses.ip, port: peer.port });
}

/** The address of a TCP connection; undefined for a Unix socket, which has a path instead. */
function tcpAddress(address: string): HostPort | undefined {
  const peer = splitAddress(address);
  return peer?.host.startsWith("/") ? undefined : peer;
}

const ADDRESS = /(^|[ \n])(l?addr)=(\S*)/g;
