import { type HostPort, splitAddress } from "../../platform/address.ts";
import type { Value } from "../../resp/frame.ts";
import { type AddressMap, publicAddress } from "../address_map.ts";
import { rewriteText } from "../text.ts";

/**
 * Rewrites CLIENT LIST and CLIENT INFO (networking.c `catClientInfoString`): a line a client,
 * with the peer's address in `addr=` and the node's own in `laddr=`, IPv6 in brackets. A peer
 * that is a client of this proxy gets the address from which it reached the proxy, as it would
 * have without it. What else connects to a node, another node say, lives on the private side: its
 * port stays, to tell such lines apart, its host does not.
 */
export function rewriteClients(frame: Value, addresses: AddressMap): Value {
  return rewriteText(
    frame,
    (text) =>
      text.replace(ADDRESS, (_field, before: string, name: string, address: string) => {
        const own = name === "laddr" && overTcp(address) !== undefined;
        return `${before}${name}=${
          own ? publicAddress(addresses, addresses.ownPort) : publicPeer(address, addresses)
        }`;
      }),
  );
}

/** What is shown in the place of the address of a node's client, as CLIENT LIST has it. */
function publicPeer(address: string, addresses: AddressMap): string {
  const peer = overTcp(address);
  if (peer === undefined) return address;
  return addresses.clientAt(address) ?? publicAddress(addresses, peer.port);
}

/** A connection through a Unix socket has the socket's path for an address. */
function overTcp(address: string): HostPort | undefined {
  const peer = splitAddress(address);
  return peer?.host.startsWith("/") ? undefined : peer;
}

const ADDRESS = /(^|[ \n])(l?addr)=(\S*)/g;
