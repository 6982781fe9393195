import { BUS_OFFSET } from "../cluster/node_ports.ts";
import type { AddressArgument } from "../commands/command_rows.ts";
import {
  formatHostPort,
  type HostPort,
  isIpAddress,
  isIpv6,
  isLocalhost,
  isLoopback,
  isSameHost,
  MAX_PORT,
  splitAddress,
} from "../platform/address.ts";
import { comparedPart } from "../resp/bytes.ts";
import type { AddressMap, MappedNode } from "./address_map.ts";

/**
 * Replaces public addresses in a request by private ones, which the node can use. Returns undefined
 * if the request stays as it is. An address that may be another than the public one of a node is
 * not replaced.
 *
 * @param args the first arguments of the request, as many as its command buffers
 * @param address the position of the address among them
 */
export async function rewriteRequestArgs(
  args: readonly string[],
  address: AddressArgument,
  addressMap: AddressMap,
): Promise<readonly string[] | undefined> {
  if (address === "meet") return await rewriteMeet(args, addressMap);
  if (address === "client") return await rewriteClientFilters(args, addressMap);
  if ("at" in address) return await rewriteAddressAt(address.at, args, addressMap);
  const option = args.findIndex((arg, index) =>
    index > 0 && comparedPart(arg).toLowerCase() === address.after
  );
  return option < 0 ? undefined : await rewriteAddressAt(option + 1, args, addressMap);
}

/**
 * `CLUSTER MEET ip port [bus-port]`, where the node accepts no host name (cluster.c
 * `clusterStartHandshake`). The bus port is the private one on both sides.
 */
async function rewriteMeet(
  args: readonly string[],
  addressMap: AddressMap,
): Promise<readonly string[] | undefined> {
  if (args.length > 5) return undefined;
  const node = await nodeOf(args[2], args[3], addressMap);
  if (node === undefined) return undefined;
  const { address: { host }, peerPort: port = node.address.port, busPort } = node;
  const ip = isIpAddress(host) ? host : await resolveIp(host, addressMap);
  if (ip === undefined || !isBusPort(args[4] ?? `${busPort ?? port + BUS_OFFSET}`)) {
    return undefined;
  }
  const rewritten = [...args.slice(0, 2), ip, `${port}`, ...args.slice(4)];
  const isUsual = busPort === undefined || busPort === port + BUS_OFFSET;
  return args.length > 4 || isUsual ? rewritten : [...rewritten, `${busPort}`];
}

/** Whether a node accepts the bus port; otherwise its error would echo the address. */
function isBusPort(digits: string): boolean {
  return /^[1-9]\d{0,4}$/.test(digits) && Number(digits) <= MAX_PORT;
}

/** Resolves a host name to one IP address, of the same family as the own node's if possible. */
async function resolveIp(host: string, addressMap: AddressMap): Promise<string | undefined> {
  const found = await addressMap.resolve(host);
  const { ownAddress } = addressMap;
  return found.find((ip) => isIpv6(ip) === isIpv6(ownAddress.host)) ?? found[0];
}

/** A host and a port in two arguments, the first of which is at `index`. */
async function rewriteAddressAt(
  index: number,
  args: readonly string[],
  addressMap: AddressMap,
): Promise<readonly string[] | undefined> {
  const node = await nodeOf(args[index], args[index + 1], addressMap);
  if (node === undefined) return undefined;
  const { host, port } = node.address;
  return args.with(index, host).with(index + 1, `${node.peerPort ?? port}`);
}

/**
 * `CLIENT KILL address`, and the filters of `CLIENT KILL` and `CLIENT LIST`. Clients pass addresses
 * that CLIENT LIST shows, so this is the inverse of `rewriteClients`. The filters IP and NOT-IP
 * stay: the node sees the proxy's IP address for all its clients.
 */
async function rewriteClientFilters(
  args: readonly string[],
  addressMap: AddressMap,
): Promise<readonly string[] | undefined> {
  const [, subcommand = "", client] = args;
  const kills = comparedPart(subcommand).toLowerCase() === "kill";
  if (kills && args.length === 3) {
    const upstream = await addressMap.upstreamOf(client!);
    return upstream === undefined ? undefined : args.with(2, upstream);
  }
  let rewritten: readonly string[] | undefined;
  for (let index = 2; index + 1 < args.length;) {
    const filter = args[index]!.toLowerCase();
    const address = await filteredAddress(filter, args[index + 1]!, addressMap);
    if (address !== undefined) rewritten = (rewritten ?? args).with(index + 1, address);
    index += 2;
    // One filter takes any number of ids.
    const takesIds = filter === "id" || filter === "not-id";
    while (takesIds && /^\d+$/.test(args[index] ?? "")) index++;
  }
  return rewritten;
}

/** The private address for the value of a filter; undefined if the value stays. */
async function filteredAddress(
  filter: string,
  value: string,
  addressMap: AddressMap,
): Promise<string | undefined> {
  switch (filter) {
    case "addr":
    case "not-addr":
      return await addressMap.upstreamOf(value);
    case "laddr":
    case "not-laddr": {
      const address = splitAddress(value);
      const isOwn = address !== undefined && addressMap.isOwnPort(address.port) &&
        await isPublic(address, addressMap);
      return isOwn ? formatHostPort(addressMap.ownAddress) : undefined;
    }
    default:
      return undefined;
  }
}

/** The node that a host and a port in a request stand for. */
async function nodeOf(
  host: string | undefined,
  digits: string | undefined,
  addressMap: AddressMap,
): Promise<MappedNode | undefined> {
  const port = Number(digits);
  // Nodes accept no number in another form.
  if (host === undefined || String(port) !== digits) return undefined;
  const node = addressMap.nodeAt(port);
  return node !== undefined && await isPublic({ host, port }, addressMap) ? node : undefined;
}

/** Whether an address with a node's public port has the public host, too. */
async function isPublic(address: HostPort, addressMap: AddressMap): Promise<boolean> {
  const { host } = address;
  const { publicHost, publicIp, reachedAt } = addressMap;
  if (addressMap.isPrivate(address)) return false;
  if (isSameHost(host, publicHost) || isSameHost(host, reachedAt)) return true;
  if (publicIp !== undefined && isSameHost(host, publicIp)) return true;
  if (isLocalhost(host)) return [publicHost, reachedAt].some(isLoopback);
  // redis-cli connects to a name, and then sends the IP address to which that resolved.
  if (!isIpAddress(host) || isIpAddress(publicHost)) return false;
  return (await addressMap.resolve(publicHost)).some((found) => isSameHost(found, host));
}
