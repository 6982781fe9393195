/** The slots from `first` to `last`, both included. */
export interface SlotRange {
  readonly first: number;
  readonly last: number;
}

/** One line of CLUSTER NODES. */
export interface ClusterNode {
  /** 40 hexadecimal digits; only CLUSTER RESET HARD changes it. */
  readonly id: string;
  /** The announced IP address; "" if the node does not know it. */
  readonly host: string;
  /** The client port; 0 for a node without an address, or without a port of the kind in use. */
  readonly port: number;
  /** The cluster bus port; undefined before 4.0, or for a node without an address. */
  readonly busPort: number | undefined;
  /** The announced host name, or "". */
  readonly hostname: string;
  readonly flags: ReadonlySet<string>;
  /** The node id of the primary that this node replicates. */
  readonly primaryId: string | undefined;
  readonly slots: readonly SlotRange[];
  /** The target node id of each migrating slot; only the line of the answering node has it. */
  readonly migrating: ReadonlyMap<number, string>;
}

/** The number of hash slots of every cluster (cluster.h CLUSTER_SLOTS). */
export const SLOT_COUNT = 16384;

/** The address field of a line: `host:port[@busPort][,hostname[,field…]]`. */
export interface AddressField {
  host: string;
  port: number;
  /** The bus port with its `@`; "" before 4.0. */
  readonly bus: string;
  /** Undefined if the field is missing. */
  hostname: string | undefined;
  /** The fields after the host name, with their comma. No current server sends any. */
  readonly rest: string;
}

/** Parses the address field of a line; undefined if it is malformed. */
export function parseAddressField(field: string): AddressField | undefined {
  const match = ADDRESS_FIELD.exec(field);
  if (match === null) return undefined;
  const [, host, port, bus = "", hostname, rest = ""] = match;
  return { host: host!, port: Number(port), bus, hostname, rest };
}

/** Formats the address field of a line; the inverse of `parseAddressField`. */
export function formatAddressField(address: AddressField): string {
  const { host, port, bus, hostname, rest } = address;
  return `${host}:${port}${bus}${hostname === undefined ? "" : `,${hostname}`}${rest}`;
}

/** IPv6 hosts have no brackets here, so the last colon before `@` or `,` separates the port. */
const ADDRESS_FIELD = /^([^@,]*):(\d+)(@\d+)?(?:,([^,]*))?(,.*)?$/;

/** Parses CLUSTER NODES (cluster_legacy.c `clusterGenNodeDescription`); skips malformed lines. */
export function parseNodes(text: string): ClusterNode[] {
  const nodes: ClusterNode[] = [];
  for (const line of text.split("\n")) {
    const node = parseNode(line.trimEnd());
    if (node !== undefined) nodes.push(node);
  }
  return nodes;
}

function parseNode(line: string): ClusterNode | undefined {
  const [id, field, flags, primary, , , , , ...slotFields] = line.split(" ");
  const address = field === undefined ? undefined : parseAddressField(field);
  if (id === undefined || address === undefined || flags === undefined) return undefined;
  const slots: SlotRange[] = [];
  const migrating = new Map<number, string>();
  for (const slotField of slotFields) {
    const range = /^(\d+)(?:-(\d+))?$/.exec(slotField);
    if (range !== null) {
      slots.push({ first: Number(range[1]), last: Number(range[2] ?? range[1]) });
      continue;
    }
    const open = /^\[(\d+)->-([0-9a-f]+)\]$/.exec(slotField);
    if (open !== null) migrating.set(Number(open[1]), open[2]!);
  }
  return {
    id,
    host: address.host,
    port: address.port,
    busPort: Number(address.bus.slice("@".length)) || undefined,
    hostname: address.hostname ?? "",
    flags: new Set(flags.split(",")),
    primaryId: primary === undefined || primary === "-" ? undefined : primary,
    slots,
    migrating,
  };
}
