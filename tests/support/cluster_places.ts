import type { ClusterOptions } from "./cluster.ts";
import { seededRandom } from "./random.ts";

/** An address of a node. */
export interface Place {
  host: string;
  port: number;
  /** A second port, of a node that listens for plain text and for TLS. */
  tlsPort?: number;
}

/** The bus port is this far above the client port. */
const BUS_OFFSET = 10_000;

/** Client and bus ports are below the kernel's range of ephemeral ports. */
const PORTS = { first: 11_000, count: 11_000 };

/** The last byte of an address is 1 to this. */
const MAX_HOSTS = 254;

/** Allocates addresses at which a node and its bus can listen. */
export class Places {
  readonly #samePort: boolean;
  readonly #hasBothPorts: boolean;
  /** The host of all nodes, where each cannot have its own. */
  readonly #shared: string | undefined;
  readonly #random = seededRandom(Math.random() * 2 ** 32);
  readonly #network: string;
  #hosts = 0;
  /** The ports of all nodes, if they share them. */
  #sharedPorts: Pick<Place, "port" | "tlsPort"> | undefined;

  constructor({ samePort = false, family, tls, network }: ClusterOptions) {
    // By default different from 127.0.0.1, the public host of proxies in tests.
    const byte = () => 1 + this.#random.int(254);
    this.#network = network ?? `127.${byte()}.${byte()}.`;
    this.#samePort = samePort;
    this.#hasBothPorts = tls === "both";
    if (family === "IPv6") this.#shared = "::1";
    else if (Deno.build.os !== "linux") this.#shared = "127.0.0.1";
    if (samePort && this.#shared !== undefined) {
      throw new RangeError("One port for all needs Linux and IPv4");
    }
  }

  get network(): string {
    if (this.#shared === undefined) return this.#network;
    throw new RangeError("Addresses of their own need Linux and IPv4");
  }

  /** Every host that `takeHost` may return. */
  get hosts(): string[] {
    if (this.#shared !== undefined) return [this.#shared];
    return Array.from({ length: MAX_HOSTS }, (_, index) => `${this.#network}${index + 1}`);
  }

  takeHost(): string {
    return this.#shared ?? `${this.#network}${++this.#hosts}`;
  }

  take(count: number): Place[] {
    const hosts = Array.from({ length: count }, () => this.takeHost());
    using listeners = new DisposableStack();
    if (!this.#samePort) {
      return hosts.map((host) => ({ host, ...this.#findPorts([host], listeners) }));
    }
    const ports = this.#sharedPorts ??= this.#findPorts(hosts, listeners);
    return hosts.map((host) => ({ host, ...ports }));
  }

  #findPorts(hosts: string[], listeners: DisposableStack): Pick<Place, "port" | "tlsPort"> {
    const port = this.#findPort(hosts, listeners);
    return this.#hasBothPorts ? { port, tlsPort: this.#findPort(hosts, listeners) } : { port };
  }

  /** Keeps the listeners open meanwhile, so that no other node gets the same ports. */
  #findPort(hosts: string[], listeners: DisposableStack): number {
    for (;;) {
      const port = PORTS.first + this.#random.int(PORTS.count);
      if (hosts.every((host) => canListen(host, port, listeners))) return port;
    }
  }
}

function canListen(hostname: string, port: number, listeners: DisposableStack): boolean {
  try {
    for (const at of [port, port + BUS_OFFSET]) {
      listeners.use(Deno.listen({ hostname, port: at }));
    }
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}
