import {
  type HostPort,
  isIpAddress,
  isLocalhost,
  isLoopback,
  isSameHost,
  isWildcard,
} from "../platform/address.ts";
import { isLocalAddress } from "../platform/net.ts";
import { withTimeout } from "../platform/timeout.ts";

/** Clients wait for the lookup, and the name server may not answer. */
const PUBLIC_LOOKUP_LIMIT_MS = 250;

/** The address of the public host rarely changes. */
const PUBLIC_LOOKUP_INTERVAL_MS = 60_000;

/** How long a check of a host is valid. It takes a socket or a lookup, too much for each client. */
const OWN_HOST_TTL_MS = 5000;

/** Where the proxy listens, and what clients are told. */
export interface OwnAddressOptions {
  readonly views: readonly OwnView[];
}

/** Where the proxy listens in one view, and what its clients are told; see `PublicView`. */
export interface OwnView {
  /** The address on which the proxy listens; its port is not used. */
  readonly listen: HostPort;
  /** The host that clients get for every node; undefined for one of `listen`. */
  readonly publicHost: string | undefined;
  /** The IP address that clients get where nodes report one, if `publicHost` is a name. */
  readonly publicIp: string | undefined;
  /** The port in the NAT table that a listener stands for. */
  rowAtListener(listenPort: number): number;
  /** The port in the NAT table that a public port stands for; undefined for any other port. */
  rowAtPublic(publicPort: number): number | undefined;
}

/** The ports in the NAT table. */
export interface OwnPorts {
  /** Returns the node that is served on a port, or undefined. */
  atPort(listenPort: number): unknown;
}

/** Recognises the ports of the proxy itself, which it must not dial. */
export class OwnAddresses {
  readonly #views: readonly ViewAddresses[];

  constructor(
    { views }: OwnAddressOptions,
    ports: OwnPorts,
    resolveHost: (host: string) => Promise<string[]>,
  ) {
    this.#views = views.map((view) => new ViewAddresses(view, ports, resolveHost));
  }

  /** Whether a port of the proxy has this number, in any view; `includes` also looks at the host. */
  hasPort(port: number): boolean {
    return this.#views.some((view) => view.hasPort(port));
  }

  /**
   * Whether an address is a port of the proxy itself, in any view.
   *
   * @throws an error for which `isExhausted` is true, if no file descriptor is free
   */
  async includes(address: HostPort): Promise<boolean> {
    for (const view of this.#views) if (await view.includes(address)) return true;
    return false;
  }
}

/** The results of checks by host. */
type HostChecks = Map<string, Promise<boolean>>;

/** The addresses of one view. */
class ViewAddresses {
  readonly #view: OwnView;
  readonly #ports: OwnPorts;
  readonly #resolve: (host: string) => Promise<string[]>;
  /** The hosts that were checked, and the time of the first check. */
  #hosts = newHosts(-Infinity);
  /** The last lookup of the public host, the time of its start, and the last addresses found. */
  #publicLookup: Promise<void> = Promise.resolve();
  #publicLookupAtMs = -Infinity;
  #publicIps: readonly string[] = [];

  constructor(
    view: OwnView,
    ports: OwnPorts,
    resolveHost: (host: string) => Promise<string[]>,
  ) {
    this.#view = view;
    this.#ports = ports;
    this.#resolve = resolveHost;
  }

  /** See `OwnAddresses.hasPort`. */
  hasPort(port: number): boolean {
    return this.#hasListener(port) || this.#hasPublic(port);
  }

  #hasListener(port: number): boolean {
    return this.#ports.atPort(this.#view.rowAtListener(port)) !== undefined;
  }

  #hasPublic(port: number): boolean {
    const row = this.#view.rowAtPublic(port);
    return row !== undefined && this.#ports.atPort(row) !== undefined;
  }

  /** See `OwnAddresses.includes`. */
  async includes({ host, port }: HostPort): Promise<boolean> {
    const [hasListener, hasPublic] = [this.#hasListener(port), this.#hasPublic(port)];
    if (!hasListener && !hasPublic) return false;
    const nowMs = performance.now();
    if (nowMs - this.#hosts.sinceMs > OWN_HOST_TTL_MS) this.#hosts = newHosts(nowMs);
    const { listening, advertised } = this.#hosts;
    return (hasListener && await check(host, listening, () => this.#listensOn(host))) ||
      (hasPublic && await check(host, advertised, () => this.#advertises(host)));
  }

  async #listensOn(host: string): Promise<boolean> {
    const ips = await this.#addressesOf(host);
    for (const ip of ips) if (await this.#listensAt(ip)) return true;
    return false;
  }

  async #listensAt(ip: string): Promise<boolean> {
    const { host } = this.#view.listen;
    if (isWildcard(host)) return isLocalAddress(ip);
    if (isLocalhost(host)) return isSameHost(ip, "127.0.0.1") || isSameHost(ip, "::1");
    return (await this.#addressesOf(host)).some((own) => isSameHost(own, ip));
  }

  /**
   * A gateway may forward the public address back to the proxy. A public name is not compared:
   * inside the network it may resolve to another proxy.
   */
  async #advertises(host: string): Promise<boolean> {
    if (!isIpAddress(host) || isLoopback(host)) return false;
    const { publicIp } = this.#view;
    if (publicIp !== undefined && isSameHost(publicIp, host)) return true;
    return (await this.#publicAddresses()).some((ip) => isSameHost(ip, host));
  }

  /** The addresses of the public host; the previous ones if a lookup is slow or finds none. */
  async #publicAddresses(): Promise<readonly string[]> {
    const { publicHost } = this.#view;
    if (publicHost === undefined) return [];
    const nowMs = performance.now();
    if (nowMs - this.#publicLookupAtMs > PUBLIC_LOOKUP_INTERVAL_MS) {
      this.#publicLookupAtMs = nowMs;
      this.#publicLookup = this.#addressesOf(publicHost).then((ips) => {
        if (ips.length > 0) this.#publicIps = ips;
      });
    }
    await withTimeout(this.#publicLookup, PUBLIC_LOOKUP_LIMIT_MS);
    return this.#publicIps;
  }

  async #addressesOf(host: string): Promise<string[]> {
    return isIpAddress(host) ? [host] : await this.#resolve(host);
  }
}

/** The hosts on which a view listens, and those that it advertises. */
function newHosts(sinceMs: number) {
  return { sinceMs, listening: new Map() as HostChecks, advertised: new Map() as HostChecks };
}

/** The result of a check, which is shared by all callers until it fails. */
function check(host: string, known: HostChecks, run: () => Promise<boolean>): Promise<boolean> {
  const checked = known.get(host);
  if (checked !== undefined) return checked;
  const checking = run();
  known.set(host, checking);
  // It fails if no file descriptor is free; the next call tries again.
  checking.catch(() => known.delete(host));
  return checking;
}
