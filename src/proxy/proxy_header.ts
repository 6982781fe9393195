import {
  addressBytes,
  addressText,
  type HostPort,
  isIpAddress,
  isIpv6,
  MAX_PORT,
} from "../platform/address.ts";
import { fromLatin1, toLatin1 } from "../resp/bytes.ts";

// The header of the PROXY protocol, with which a load balancer begins a connection. The protocol is
// specified in doc/proxy-protocol.txt of HAProxy; the sections named here are its sections.

/** Which versions of the header are accepted. */
export type HeaderVersions = "v1" | "v2" | "any";

/** The addresses of a client's connection to a load balancer. */
export interface ClientEnds {
  /** The address of the client. */
  readonly source: HostPort;
  /** The address at which the client reached the balancer. */
  readonly destination: HostPort;
}

/** A header that was received, apart from extensions at its end. */
export interface ProxyHeader {
  /** The length of the header in bytes; more than were received if extensions are to come. */
  readonly length: number;
  /** Undefined if the addresses of the connection itself count, as in a health check. */
  readonly ends: ClientEnds | undefined;
}

/** A connection did not begin with a header that is accepted. */
export class ProxyHeaderError extends Error {
  override readonly name = "ProxyHeaderError";
}

/** The longest line of version 1 (section 2.1), and more than is read of version 2. */
export const MAX_PARSED_BYTES = 107;

const V1_SIGNATURE = fromLatin1("PROXY ");
const V2_SIGNATURE = fromLatin1("\r\n\r\n\0\r\nQUIT\n");

/** The part of a version 2 header before the addresses (section 2.2). */
const V2_FIXED_BYTES = 16;

/** The byte for family and transport of TCP, and the length of two addresses and two ports. */
const TCP_OVER_IPV4 = { type: 0x11, addressBytes: 4 };
const TCP_OVER_IPV6 = { type: 0x21, addressBytes: 16 };

/** The highest values that are assigned: Unix sockets, and datagrams. */
const MAX_FAMILY = 3;
const MAX_TRANSPORT = 2;

const COMMAND = { local: 0, proxy: 1 };

/**
 * Parses the header at the beginning of a connection; undefined while more bytes are needed, of
 * which there are at most MAX_PARSED_BYTES in all.
 *
 * @param received all bytes of the connection so far; those after the header do not matter
 * @throws {ProxyHeaderError} as soon as the bytes cannot begin such a header
 */
export function parseProxyHeader(
  received: Uint8Array,
  accepted: HeaderVersions,
): ProxyHeader | undefined {
  if (received.length === 0) return undefined;
  const version = received[0] === V1_SIGNATURE[0] ? "v1" : "v2";
  const signature = version === "v1" ? V1_SIGNATURE : V2_SIGNATURE;
  const isBegun = signature.every((byte, at) => at >= received.length || received[at] === byte);
  if (!isBegun) {
    throw new ProxyHeaderError(
      "The connection began without a PROXY header: have the load balancer send one, or remove " +
        "--accept-proxy-protocol",
    );
  }
  if (received.length < signature.length) return undefined;
  if (accepted !== "any" && accepted !== version) {
    throw new ProxyHeaderError(
      `The PROXY header is of version ${version}, and --accept-proxy-protocol is ${accepted}`,
    );
  }
  return version === "v1" ? parseV1(received) : parseV2(received);
}

/** The header of a connection that its sender opens for itself, such as a health check. */
export function ownHeader(accepted: HeaderVersions): Uint8Array {
  if (accepted === "v1") return fromLatin1("PROXY UNKNOWN\r\n");
  return Uint8Array.of(...V2_SIGNATURE, 0x20 | COMMAND.local, 0, 0, 0);
}

/** One line; what follows UNKNOWN is to be ignored. Numbers have no leading zeros. */
const V1_LINE =
  /^PROXY (?:UNKNOWN(?: .*)?|(TCP[46]) (\S+) (\S+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4}))$/s;

function parseV1(received: Uint8Array): ProxyHeader | undefined {
  const text = toLatin1(received.subarray(0, MAX_PARSED_BYTES));
  const end = text.indexOf("\r\n");
  if (end < 0) {
    if (text.length === MAX_PARSED_BYTES) {
      throw malformed(`it has no end of line within ${MAX_PARSED_BYTES} bytes`);
    }
    return undefined;
  }
  const match = V1_LINE.exec(text.slice(0, end));
  if (match === null) throw malformed("its line has another form");
  const length = end + 2;
  const [, protocol, source, destination, sourcePort, destinationPort] = match;
  if (protocol === undefined) return { length, ends: undefined };
  const endOf = (host: string | undefined, port: string | undefined) => {
    const isIpv6Expected = protocol === "TCP6";
    if (!isIpAddress(host!) || isIpv6(host!) !== isIpv6Expected || Number(port) > MAX_PORT) {
      throw malformed("an address or a port in it is wrong");
    }
    return { host: addressText(addressBytes(host!)), port: Number(port) };
  };
  const ends = {
    source: endOf(source, sourcePort),
    destination: endOf(destination, destinationPort),
  };
  return { length, ends };
}

function parseV2(received: Uint8Array): ProxyHeader | undefined {
  const [versionAndCommand, type, high, low] = received.subarray(V2_SIGNATURE.length);
  if (versionAndCommand === undefined) return undefined;
  const command = versionAndCommand & 0x0f;
  if (versionAndCommand >> 4 !== 2) throw malformed("its version is not 2");
  if (command > COMMAND.proxy) throw malformed("its command is not assigned");
  if (type === undefined || high === undefined || low === undefined) return undefined;
  const following = high * 256 + low;
  const length = V2_FIXED_BYTES + following;
  // The family does not matter then.
  if (command === COMMAND.local) return { length, ends: undefined };
  if (type >> 4 > MAX_FAMILY || (type & 0x0f) > MAX_TRANSPORT) {
    throw malformed("its address family or transport is not assigned");
  }
  const family = [TCP_OVER_IPV4, TCP_OVER_IPV6].find((family) => family.type === type);
  // Addresses of another kind cannot be those of a client.
  if (family === undefined) return { length, ends: undefined };
  const portsAt = V2_FIXED_BYTES + 2 * family.addressBytes;
  const end = portsAt + 4;
  if (length < end) throw malformed("it is too short for its addresses");
  if (received.length < end) return undefined;
  const endAt = (index: 0 | 1) => {
    const from = V2_FIXED_BYTES + index * family.addressBytes;
    const portAt = portsAt + 2 * index;
    return {
      host: addressText([...received.subarray(from, from + family.addressBytes)]),
      port: received[portAt]! * 256 + received[portAt + 1]!,
    };
  };
  return { length, ends: { source: endAt(0), destination: endAt(1) } };
}

function malformed(reason: string): ProxyHeaderError {
  return new ProxyHeaderError(`The PROXY header is malformed: ${reason}`);
}
