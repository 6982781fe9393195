import { type HostPort, splitAddress } from "../platform/address.ts";
import { type AddressMap, publicAddress } from "./address_map.ts";

/**
 * The public port of the node at an address that stands in a request. Undefined if no node is
 * there: what a request says may be anything.
 */
export function portAt({ host, port }: HostPort, addresses: AddressMap): number | undefined {
  return port > 0 ? addresses.portOf({ host, port, doubtful: true }) : undefined;
}

/** What a word of a request is shown as that may be the `host:port` of a node or of a client. */
export function publicWord(word: string, addresses: AddressMap): string {
  const address = splitAddress(word);
  const port = address && portAt(address, addresses);
  return addresses.clientAt(word) ?? (port === undefined ? word : publicAddress(addresses, port));
}
