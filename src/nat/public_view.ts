import type { HostPort } from "../platform/address.ts";

/** The name of the first view. */
export const DEFAULT_VIEW = "default";

/** The options of a public view; workers get a copy. */
export interface PublicViewOptions {
  /** Identifies the view in options, log and metrics. */
  readonly name: string;
  /** The address of the first listener; the port is 0 if all listeners have free ports. */
  readonly listen: HostPort;
  /** The host that clients get for every node; undefined for the address that they connected to. */
  readonly publicHost: string | undefined;
  /** The IP address that clients get where nodes report one, if `publicHost` is a name. */
  readonly publicIp?: string | undefined;
  /** The public port of the first listener, with which the others are in step; its own if absent. */
  readonly firstPublicPort?: number | undefined;
  /** Listeners with other public ports. */
  readonly publicPorts?: readonly PublicPort[] | undefined;
  /** Whether listeners without an entry in `publicPorts` have no public port yet. */
  readonly awaitsPublicPorts?: boolean | undefined;
}

/** The options of all views. */
export interface PublicViewsOptions extends Omit<PublicViewOptions, "name"> {
  /** The views besides the first, which is called `default`. */
  readonly otherViews: readonly PublicViewOptions[];
}

/** All views, that of the plain options first. */
export type PublicViews = readonly [PublicView, ...PublicView[]];

/** The port of a listener, and the port at which clients reach it. */
export interface PublicPort {
  readonly listen: number;
  readonly public: number;
}

/**
 * One set of listeners, and what the clients that come by them are shown. There is one NAT table
 * for all views; a node has a listener in each. The port of a node, `NatEntry.listenPort`, is that
 * of its listener in the first view; the listeners of other views are at a fixed distance.
 *
 * ```
 *   NatEntry.listenPort ── the first ports of both views ──▶ listenPort ── public ports ──▶ publicPort
 * ```
 *
 * Port 0 of a row, which is not open yet, is 0 everywhere.
 */
export class PublicView {
  /** Identifies the view in options, log and metrics. */
  readonly name: string;
  /** The address of the first listener. */
  readonly listen: HostPort;
  /** The host that clients get for every node; undefined for the address that they connected to. */
  readonly publicHost: string | undefined;
  /** The IP address that clients get where nodes report one, if `publicHost` is a name. */
  readonly publicIp: string | undefined;
  /** From the port of a row to that of the listener. */
  readonly #distance: number;
  /** From the port of a listener to its public port; undefined if each has to be listed. */
  readonly #shift: number | undefined;
  /** The public ports that are not in step, and their inverse. */
  #publicPorts: ReadonlyMap<number, number> = new Map();
  #listenPorts: ReadonlyMap<number, number> = new Map();

  /** @param first the first view, if this is another */
  constructor(
    { name, listen, publicHost, publicIp, ...options }: PublicViewOptions,
    first?: Pick<PublicViewOptions, "listen">,
  ) {
    const { firstPublicPort = listen.port, publicPorts = [], awaitsPublicPorts } = options;
    this.name = name;
    this.listen = listen;
    this.publicHost = publicHost;
    this.publicIp = publicIp;
    this.#distance = first === undefined ? 0 : listen.port - first.listen.port;
    this.#shift = awaitsPublicPorts ? undefined : firstPublicPort - listen.port;
    this.updatePublicPorts(publicPorts);
  }

  /** The listeners with a public port, if all have to be listed. */
  get listedPorts(): readonly PublicPort[] | undefined {
    if (this.#shift !== undefined) return undefined;
    return [...this.#publicPorts].map(([listen, port]) => ({ listen, public: port }));
  }

  /** Replaces the public ports that are not in step. */
  updatePublicPorts(ports: readonly PublicPort[]): void {
    this.#publicPorts = new Map(ports.map((port) => [port.listen, port.public]));
    this.#listenPorts = new Map(ports.map((port) => [port.public, port.listen]));
  }

  /** The port of a row's listener in this view. */
  listenPort(rowPort: number): number {
    return rowPort === 0 ? 0 : rowPort + this.#distance;
  }

  /** The port at which clients reach a row in this view; undefined while that is not known. */
  publicPort(rowPort: number): number | undefined {
    if (rowPort === 0) return 0;
    const port = this.listenPort(rowPort);
    return this.#publicPorts.get(port) ??
      (this.#shift === undefined ? undefined : port + this.#shift);
  }

  /** The row's port that a listener of this view would stand for: the inverse of `listenPort`. */
  rowAtListener(listenPort: number): number {
    return listenPort - this.#distance;
  }

  /** The inverse of `publicPort`; undefined for a port that stands for no row. */
  rowAtPublic(publicPort: number): number | undefined {
    const listed = this.#listenPorts.get(publicPort);
    if (listed !== undefined) return this.rowAtListener(listed);
    if (this.#shift === undefined) return undefined;
    const listenPort = publicPort - this.#shift;
    return this.#publicPorts.has(listenPort) ? undefined : this.rowAtListener(listenPort);
  }
}

/** Creates the views of a thread. */
export function createViews({ otherViews, ...first }: PublicViewsOptions): PublicViews {
  return [
    new PublicView({ ...first, name: DEFAULT_VIEW }),
    ...otherViews.map((options) => new PublicView(options, first)),
  ];
}
