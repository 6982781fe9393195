import {
  formatHostPort,
  type HostPort,
  isIpAddress,
  isIpv6,
  isLocalhost,
  isLoopback,
  isSameHost,
  LAST_PORT,
  splitAddress,
} from "../platform/address.ts";

/** What is known of both sides of the proxy where the addresses in one request are put back. */
export interface RequestAddressMap {
  /** The host that every node has on the public side: a name or an IP address, no brackets. */
  readonly publicHost: string;
  /** The IP address at which the client reached the proxy. */
  readonly reachedAt: string;
  /** The public port of the node that is asked. */
  readonly ownPort: number;
  /** The address at which the proxy reached that node. */
  readonly ownAddress: HostPort;
  /** The node that has a public port, at its private address. */
  nodeAt(
    publicPort: number,
  ): { readonly address: HostPort; readonly busPort: number | undefined } | undefined;
  /** Whether an address is a node's on the private side. */
  isPrivate(address: HostPort): boolean;
  /** What the node that is asked takes for the address of a client of the proxy. */
  upstreamOf(client: string): string | undefined | Promise<string | undefined>;
  /** The IP addresses of a host name, or none. */
  resolve(host: string): Promise<readonly string[]>;
}

/**
 * Puts private addresses in the place of the public ones in a request, so that the node which
 * gets it can use them. Undefined if it stays as it is: what is not certainly the public address
 * of a node is none, and what a request says does not leave the private side.
 *
 * @param words the first words of the request, as many as its command holds
 */
export async function rewriteRequestArgs(
  words: readonly string[],
  addressMap: RequestAddressMap,
): Promise<readonly string[] | undefined> {
  switch (words[0]!.toLowerCase()) {
    case "cluster":
      return await translateMeet(words, addressMap);
    case "migrate":
    case "replicaof":
    case "slaveof":
      return await translateAddressAt(1, words, addressMap);
    case "failover":
      return await translateFailover(words, addressMap);
    case "client":
      return await translateClients(words, addressMap);
    default:
      return undefined;
  }
}

/** Without a bus port in the request a node takes the one that stands this far above the other. */
const BUS_OFFSET = 10_000;

/**
 * `CLUSTER MEET ip port [bus-port]`, where the node wants an IP address and no name (cluster.c
 * `clusterStartHandshake`). A bus port is the private one on both sides.
 */
async function translateMeet(
  words: readonly string[],
  addressMap: RequestAddressMap,
): Promise<readonly string[] | undefined> {
  if (words[1]?.toLowerCase() !== "meet" || words.length > 5) return undefined;
  const node = await nodeNamed(words[2], words[3], addressMap);
  if (node === undefined) return undefined;
  const { address: { host, port }, busPort } = node;
  const ip = isIpAddress(host) ? host : await addressOf(host, addressMap);
  if (ip === undefined || !isBusPort(words[4] ?? `${busPort ?? port + BUS_OFFSET}`)) {
    return undefined;
  }
  const translated = [...words.slice(0, 2), ip, `${port}`, ...words.slice(4)];
  const told = words.length > 4 || busPort === undefined || busPort === port + BUS_OFFSET;
  return told ? translated : [...translated, `${busPort}`];
}

/** Of a bus port that is none a node would complain, and repeat the address. */
function isBusPort(digits: string): boolean {
  return /^[1-9]\d{0,4}$/.test(digits) && Number(digits) <= LAST_PORT;
}

/** An IP address of a node that has a name, of the family that the proxy reaches nodes by. */
async function addressOf(host: string, addressMap: RequestAddressMap): Promise<string | undefined> {
  const found = await addressMap.resolve(host);
  const { ownAddress } = addressMap;
  return found.find((ip) => isIpv6(ip) === isIpv6(ownAddress.host)) ?? found[0];
}

/** `FAILOVER [TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds]` */
async function translateFailover(
  words: readonly string[],
  addressMap: RequestAddressMap,
): Promise<readonly string[] | undefined> {
  const to = words.findIndex((word, index) => index > 0 && word.toLowerCase() === "to");
  return to < 0 ? undefined : await translateAddressAt(to + 1, words, addressMap);
}

/** A host and a port in two words, the first of which is at `index`. */
async function translateAddressAt(
  index: number,
  words: readonly string[],
  addressMap: RequestAddressMap,
): Promise<readonly string[] | undefined> {
  const node = await nodeNamed(words[index], words[index + 1], addressMap);
  if (node === undefined) return undefined;
  const { host, port } = node.address;
  return words.with(index, host).with(index + 1, `${port}`);
}

/**
 * `CLIENT KILL address`, and the filters of `CLIENT KILL` and `CLIENT LIST`. What they ask for is
 * what CLIENT LIST shows, so this is the inverse of `rewriteClients`. The filters IP and NOT-IP
 * stay: the clients of the proxy have its own address there, all the same.
 */
async function translateClients(
  words: readonly string[],
  addressMap: RequestAddressMap,
): Promise<readonly string[] | undefined> {
  const [, subcommand = "", old] = words;
  const kills = subcommand.toLowerCase() === "kill";
  if (!kills && subcommand.toLowerCase() !== "list") return undefined;
  if (kills && words.length === 3) {
    const upstream = await addressMap.upstreamOf(old!);
    return upstream === undefined ? undefined : words.with(2, upstream);
  }
  let translated: readonly string[] | undefined;
  for (let index = 2; index + 1 < words.length;) {
    const filter = words[index]!.toLowerCase();
    const address = await filteredAddress(filter, words[index + 1]!, addressMap);
    if (address !== undefined) translated = (translated ?? words).with(index + 1, address);
    index += 2;
    // As many ids as there are belong to one filter.
    const ids = filter === "id" || filter === "not-id";
    while (ids && /^\d+$/.test(words[index] ?? "")) index++;
  }
  return translated;
}

async function filteredAddress(
  filter: string,
  value: string,
  addressMap: RequestAddressMap,
): Promise<string | undefined> {
  switch (filter) {
    case "addr":
    case "not-addr":
      return await addressMap.upstreamOf(value);
    case "laddr":
    case "not-laddr": {
      const address = splitAddress(value);
      if (address?.port !== addressMap.ownPort || !await isPublic(address, addressMap)) {
        return undefined;
      }
      return formatHostPort(addressMap.ownAddress);
    }
    default:
      return undefined;
  }
}

async function nodeNamed(
  host: string | undefined,
  digits: string | undefined,
  addressMap: RequestAddressMap,
): Promise<ReturnType<RequestAddressMap["nodeAt"]>> {
  const port = Number(digits);
  // Nodes take no number in another form.
  if (host === undefined || String(port) !== digits) return undefined;
  const node = addressMap.nodeAt(port);
  return node !== undefined && await isPublic({ host, port }, addressMap) ? node : undefined;
}

/** Whether an address that has a node's public port has the public host, too. */
async function isPublic(address: HostPort, addressMap: RequestAddressMap): Promise<boolean> {
  const { host } = address;
  const { publicHost, reachedAt } = addressMap;
  if (addressMap.isPrivate(address)) return false;
  if (isSameHost(host, publicHost) || isSameHost(host, reachedAt)) return true;
  if (isLocalhost(host)) return [publicHost, reachedAt].some(isLoopback);
  // redis-cli connects to a name, and then tells the IP address that it found.
  if (!isIpAddress(host) || isIpAddress(publicHost)) return false;
  return (await addressMap.resolve(publicHost)).some((found) => isSameHost(found, host));
}
