import { addressBytes, addressText, isIpAddress, isMapped, MAPPED_PREFIX } from "./address.ts";

/** The IP addresses that have their first bits in common (CIDR, RFC 4632). */
export interface AddressRange {
  /** The 4 or 16 bytes of its first address. */
  readonly first: readonly number[];
  /** How many bits are common to all of its addresses. */
  readonly commonBits: number;
}

/**
 * Parses `10.0.0.0/8`, `2001:db8::/32` or a single address. IPv4-mapped IPv6 addresses are IPv4
 * addresses.
 *
 * @throws {SyntaxError} with the reason; the message does not repeat the text
 */
export function parseAddressRange(text: string): AddressRange {
  const [, host = "", digits] = /^([^/]*)(?:\/(\d+))?$/.exec(text) ?? [];
  if (!isIpAddress(host)) throw new SyntaxError("It is no IP address, with or without /BITS");
  const bytes = addressBytes(host);
  const maxBits = 8 * bytes.length;
  const commonBits = digits === undefined ? maxBits : Number(digits);
  if (commonBits > maxBits) throw new SyntaxError(`The number after / is more than ${maxBits}`);
  const first = bytes.map((byte, at) => byte & maskAt(at, commonBits));
  if (first.some((byte, at) => byte !== bytes[at])) {
    throw new SyntaxError(
      `The range begins earlier than its address: write ${addressText(first)}/${commonBits}`,
    );
  }
  const mappedBits = 8 * MAPPED_PREFIX.length;
  return isMapped(first) && commonBits >= mappedBits
    ? { first: first.slice(MAPPED_PREFIX.length), commonBits: commonBits - mappedBits }
    : { first, commonBits };
}

/** Whether one of the ranges has an IP address; it may be IPv4-mapped. */
export function isInRanges(host: string, ranges: readonly AddressRange[]): boolean {
  const bytes = addressBytes(host);
  const address = isMapped(bytes) ? bytes.slice(MAPPED_PREFIX.length) : bytes;
  return ranges.some(({ first, commonBits }) =>
    first.length === address.length &&
    first.every((byte, at) => (address[at]! & maskAt(at, commonBits)) === byte)
  );
}

/** The common bits within the byte at an index. */
function maskAt(index: number, commonBits: number): number {
  const bits = Math.min(8, Math.max(0, commonBits - 8 * index));
  return (0xff << (8 - bits)) & 0xff;
}
