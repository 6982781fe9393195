import { formatHostPort, type HostPort, isSameHost } from "../platform/address.ts";

/** A host, a port, or both; what is missing stays as it is. */
export type AddressPattern = Partial<HostPort>;

/** Nodes that are reached at another address than the one they announce (`--dial-map`). */
export interface DialMapping {
  /** The nodes, by the address they announce. */
  readonly node: AddressPattern;
  /** Where they are dialled. */
  readonly dialled: AddressPattern;
}

/** Finds the address to dial for a node. An exact address goes before a host, a host before a port. */
export class DialMap {
  readonly #mappings: readonly DialMapping[];
  readonly #used = new Set<DialMapping>();

  constructor(mappings: readonly DialMapping[]) {
    this.#mappings = mappings.toSorted((a, b) => rank(a) - rank(b));
  }

  /** The address to dial for an announced one; the same object if no mapping matches. */
  apply(address: HostPort): HostPort {
    const mapping = this.#mappings.find(({ node }) =>
      (node.host === undefined || isSameHost(node.host, address.host)) &&
      (node.port === undefined || node.port === address.port)
    );
    if (mapping === undefined) return address;
    this.#used.add(mapping);
    return { ...address, ...mapping.dialled };
  }

  /** The mappings that have matched no address yet. */
  get unused(): DialMapping[] {
    return this.#mappings.filter((mapping) => !this.#used.has(mapping));
  }
}

function rank({ node }: DialMapping): number {
  return (node.host === undefined ? 2 : 0) + (node.port === undefined ? 1 : 0);
}

/** A side of a mapping as it is written. */
export function formatPattern({ host, port }: AddressPattern): string {
  if (port === undefined) return host!;
  return host === undefined ? `*:${port}` : formatHostPort({ host, port });
}
