import { addressBytes, canonicalHost, isIpAddress } from "../platform/address.ts";
import type { Certificate } from "./certificate.ts";

/**
 * Whether a certificate is for a host name or an IP address (RFC 9525). Only alternative names
 * count: the common name is a text of any form. A wildcard stands for one whole label, the first.
 */
export function isForHost({ dnsNames, ipAddresses }: Certificate, host: string): boolean {
  if (isIpAddress(host)) {
    const wanted = addressBytes(host);
    return ipAddresses.some((address) => isEqual(address, wanted));
  }
  return dnsNames.some((name) => matches(labelsOf(name), labelsOf(host)));
}

/** The first names of a certificate for a message; some have a hundred. */
export function namesOf({ dnsNames, ipAddresses }: Certificate): string {
  const addresses = ipAddresses.map((bytes) => bytes.length === 4 ? bytes.join(".") : ipv6(bytes));
  const names = [...dnsNames, ...addresses];
  const more = names.length > MAX_NAMES ? ` and ${names.length - MAX_NAMES} more` : "";
  return names.slice(0, MAX_NAMES).join(", ") + more;
}

const MAX_NAMES = 5;

function labelsOf(name: string): string[] {
  return name.toLowerCase().replace(/\.$/, "").split(".");
}

function matches(pattern: readonly string[], host: readonly string[]): boolean {
  if (pattern.length !== host.length) return false;
  // `*.example` would stand for every domain below a top-level domain.
  const isWildcard = pattern[0] === "*" && pattern.length > 2;
  return pattern.every((label, index) =>
    index === 0 && isWildcard ? host[0] !== "" : label !== "" && label === host[index]
  );
}

function ipv6(bytes: Uint8Array): string {
  const groups: string[] = [];
  for (let at = 0; at + 1 < bytes.length; at += 2) {
    groups.push((bytes[at]! * 256 + bytes[at + 1]!).toString(16));
  }
  return canonicalHost(groups.join(":"));
}

function isEqual(one: ArrayLike<number>, other: readonly number[]): boolean {
  return one.length === other.length && other.every((byte, index) => byte === one[index]);
}
