import type { SavedPort, SavedPorts, StaticMapping } from "../nat/port_allocator.ts";
import type { PublicViews } from "../nat/public_view.ts";
import { readStateFile } from "../nat/state_file.ts";
import { formatHostPort, type HostPort } from "../platform/address.ts";
import { OperatorError } from "../platform/operator_error.ts";

/** The ports that nodes may have. */
export interface AvailablePorts {
  /** The address of the first listener; port 0 takes free ports. */
  readonly listen: HostPort;
  /** The number of ports of the range. */
  readonly maxNodes: number;
  /** Static mappings; no node and no port twice. */
  readonly staticMappings: readonly StaticMapping[];
}

/**
 * Reads the state file. Returns undefined if it does not exist yet.
 *
 * @throws {OperatorError} if it cannot be used, or has ports that are not available any more
 */
export function readSavedPorts(
  stateFile: string,
  { listen, maxNodes, staticMappings }: AvailablePorts,
  views: PublicViews,
): SavedPorts | undefined {
  const saved = readStateFile(stateFile);
  for (const node of saved?.nodes ?? []) checkSavedViews(node, views, stateFile);
  const last = listen.port + maxNodes - 1;
  const stray = saved?.nodes.find(({ id, address, port }) =>
    listen.port !== 0 && (port < listen.port || port > last) &&
    !staticMappings.some((mapping) =>
      mapping.port === port || mapping.node === id ||
      (typeof mapping.node === "object" && formatHostPort(mapping.node) === formatHostPort(address))
    )
  );
  if (stray === undefined) return saved;
  throw new OperatorError(
    `The state file '${stateFile}' has port ${stray.port} for node ` +
      `${formatHostPort(stray.address)}, and ports are now ${listen.port} to ${last}; ` +
      "set --listen-addr, --max-nodes and --port-map as they were, or delete the file",
  );
}

/** Checks that a node has the ports in other views than the first that it had. */
function checkSavedViews(
  { address, port: rowPort, views: saved }: SavedPort,
  [, ...others]: PublicViews,
  stateFile: string,
): void {
  for (const view of others) {
    const [before, now] = [saved?.get(view.name), view.listenPort(rowPort)];
    if (before === undefined || before === now) continue;
    throw new OperatorError(
      `The state file '${stateFile}' has port ${before} for node ${
        formatHostPort(address)
      } in the ` +
        `view ${view.name}, which would now be ${now}; set --view as it was, or delete the file`,
    );
  }
}
