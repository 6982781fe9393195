/** What the proxy is to serve. */
export interface Demand {
  /** Infinity is no limit. */
  readonly maxConnections: number;
  readonly threads: number;
  /** Those of all threads. */
  readonly listeners: number;
}

/** The runtime's own, and those for files and for questions to the cluster, with some to spare. */
const OWN_DESCRIPTORS = 32;

/** What the runtime has open in each further thread, as counted in /proc. */
const DESCRIPTORS_PER_THREAD = 6;

/** A client's own connection and the one to its node. */
const DESCRIPTORS_PER_CLIENT = 2;

/** Whoever sets no limit on clients may have so many without a thought. */
const ORDINARY_CLIENTS = 1000;

/**
 * How many descriptors the process may have open, as Linux tells; undefined where that is not
 * known.
 */
export function readDescriptorLimit(): number | undefined {
  let limits: string;
  try {
    limits = Deno.readTextFileSync("/proc/self/limits");
  } catch {
    // The runtime lets only a program with all permissions read there, whatever it may read
    // besides, and other systems have no such file. The proxy says so when descriptors run out.
    return undefined;
  }
  return parseDescriptorLimit(limits);
}

/** The soft limit in a text such as /proc/self/limits has; Infinity if it is unlimited. */
export function parseDescriptorLimit(limits: string): number | undefined {
  const [, soft] = /^Max open files +(\d+|unlimited) /m.exec(limits) ?? [];
  if (soft === undefined) return undefined;
  return soft === "unlimited" ? Infinity : Number(soft);
}

/** How many descriptors it takes to serve that, for a number of clients that is one. */
export function descriptorsNeeded(demand: Demand): number {
  return DESCRIPTORS_PER_CLIENT * demand.maxConnections + descriptorsBesides(demand);
}

/** How many descriptors are not for clients. */
function descriptorsBesides({ threads, listeners }: Demand): number {
  return listeners + OWN_DESCRIPTORS + (threads - 1) * DESCRIPTORS_PER_THREAD;
}

/** What the operator should know of a limit that is too low for the demand. */
export function descriptorWarning(
  limit: number,
  demand: Demand,
): string | undefined {
  const { maxConnections } = demand;
  const left = limit - descriptorsBesides(demand);
  const clients = Math.max(0, Math.floor(left / DESCRIPTORS_PER_CLIENT));
  if (maxConnections === Infinity) {
    if (clients >= ORDINARY_CLIENTS) return undefined;
    return `The limit of ${limit} open files is enough for ${clients} clients; ` +
      "raise it (ulimit -n), or set --max-connections";
  }
  if (clients >= maxConnections) return undefined;
  return `The limit of ${limit} open files is enough for ${clients} clients, not for the ` +
    `${maxConnections} of --max-connections; raise it to ${descriptorsNeeded(demand)} (ulimit -n)`;
}
