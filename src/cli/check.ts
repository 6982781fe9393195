import { ListenError } from "../proxy/listener.ts";
import {
  createNatTable,
  createStartupContext,
  discover,
  loadSharedPorts,
  type StartupContext,
} from "../proxy/startup.ts";
import { mappingLines } from "../proxy/mapping_lines.ts";
import { listenInAll } from "../proxy/view_listeners.ts";
import { dialError } from "../cluster/node_connection_error.ts";
import { OwnAddressError } from "../cluster/node_dialer.ts";
import { isHealthy } from "../cluster/view.ts";
import { close } from "../platform/net.ts";
import { MappingFiles } from "../nat/mapping_files.ts";
import { PublicPortsFile } from "../nat/public_ports_file.ts";
import { createViews, type PublicViews } from "../nat/public_view.ts";
import type { TableChange } from "../nat/table_change.ts";
import { byPort } from "../nat/table_rows.ts";
import { OperatorError } from "../platform/operator_error.ts";
import type { Config } from "./config.ts";
import { delay, prepare } from "./prepare.ts";
import type { ProgramTls } from "./program_tls.ts";
import { untilStopped } from "./signals.ts";
import { listenForStatus } from "./start_status.ts";
import { print } from "./stdout.ts";

/**
 * Runs `--check`: verifies that the proxy could start, and prints the mapping.
 *
 * @throws {OperatorError} when it could not, or when a signal stops the check
 */
export async function check(config: Config): Promise<void> {
  const stopping = untilStopped();
  const checked = prepare(config).then(async (tls) => {
    await delay(config);
    await checkStart(config, tls);
    return true;
  });
  if (await Promise.race([checked, stopping])) return;
  throw new OperatorError("The check was stopped before it finished");
}

/**
 * Discovers the cluster, listens on each port for a moment without accepting a connection, and
 * verifies that the files can be written. Nothing is changed.
 *
 * @throws {OperatorError} what `Proxy.start` would throw, and also for a node without a public port
 */
async function checkStart(config: Config, tls: ProgramTls | undefined): Promise<void> {
  let listenError: ListenError | undefined;
  const views = createViews(config);
  const natTable = await createNatTable(config, views);
  const { publicPortsFile } = config;
  const publicPorts = publicPortsFile && await PublicPortsFile.open(publicPortsFile, views[0]);
  await publicPorts?.check();
  const apply = (changes: readonly TableChange[]) => {
    for (const change of changes) {
      if (change.kind !== "open") continue;
      listenError ??= tryToListen(views, change.port);
      natTable.portOpened(change.node, change.port);
    }
  };
  const options = { ...config, views, tlsConnector: tls?.sides.connector };
  const context = createStartupContext(
    natTable,
    options,
    apply,
    await loadSharedPorts(config),
  );
  const { sharedPorts } = context;
  await discover(context, config, async (view) => await sharedPorts?.check(view));
  const { noPortError, nodes } = natTable;
  if (noPortError !== undefined) throw noPortError;
  mappingLines(views, nodes).forEach(print);
  publicPorts?.report(nodes.map(({ listenPort }) => listenPort));
  if (listenError !== undefined) throw listenError;
  if (config.httpAddress !== undefined) listenForStatus(config.httpAddress).forEach(close);
  await checkReachable(context);
  await new MappingFiles(config, { natTable, views }).checkWritable();
}

/**
 * Verifies that all nodes accept connections which the cluster reports as healthy: a seed may be
 * reachable from here, through a port forward for example, and the other nodes not.
 *
 * @throws {OperatorError} if one does not
 */
async function checkReachable({ natTable, dialer }: StartupContext): Promise<void> {
  const healthy = new Set(natTable.view?.nodes.filter(isHealthy).map(({ id }) => id));
  const nodes = byPort(natTable.nodes).filter(({ id }) => healthy.has(id));
  const errors = await Promise.all(nodes.map(async ({ address }) => {
    try {
      close(await dialer.probe(address, new AbortController()));
      return [];
    } catch (error) {
      // It is logged already.
      if (error instanceof OwnAddressError) return [];
      return [dialError(address, error).message];
    }
  }));
  const [first, ...others] = errors.flat();
  if (first === undefined) return;
  throw new OperatorError(
    `Of ${nodes.length} nodes, ${others.length + 1} cannot be reached from here: ${first}` +
      `${others.length === 0 ? "" : "; ..."}; use --via to reach them through a tunnel, or ` +
      "--dial-map if they are forwarded to other addresses",
  );
}

/** Listens for a row in all views for a moment; returns the error if that fails. */
function tryToListen(views: PublicViews, rowPort: number): ListenError | undefined {
  try {
    for (const { listener } of listenInAll(views, rowPort)) close(listener);
    return undefined;
  } catch (error) {
    if (error instanceof ListenError) return error;
    throw error;
  }
}
