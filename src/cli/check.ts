import { ListenError, listenOn } from "../proxy/listener.ts";
import {
  byPort,
  createMapping,
  createStartupContext,
  discover,
  mappingLine,
} from "../proxy/startup.ts";
import { close } from "../platform/net.ts";
import { MappingFiles } from "../nat/mapping_files.ts";
import type { Config } from "./config.ts";

/**
 * Finds out whether a proxy could start, and leaves no trace: discovers the cluster, listens on
 * each port for a moment, in which it accepts nobody, and tries the files.
 *
 * @param announce gets a line for each node, in the order of ports, whether those can be had or not
 * @throws what `Proxy.start` would, and {UnmappedError} where some node would have no port
 */
export async function checkStart(
  config: Config,
  announce: (line: string) => void,
): Promise<void> {
  let refused: ListenError | undefined;
  const mapping = createMapping(config, {
    open(_node, port) {
      refused ??= tryToListen(config, port);
      return port;
    },
    close() {},
    moved() {},
    disputed() {},
    learned() {},
  });
  await discover(createStartupContext(mapping, config), config);
  const { noPortError, nodes } = mapping.natTable;
  if (noPortError !== undefined) throw noPortError;
  for (const node of byPort(nodes)) announce(mappingLine(config, node));
  if (refused !== undefined) throw refused;
  await new MappingFiles(config, mapping).checkWritable();
}

/** Why a port cannot be listened on. */
function tryToListen({ listen }: Config, port: number): ListenError | undefined {
  try {
    listenOn({ host: listen.host, port }).forEach(close);
    return undefined;
  } catch (error) {
    if (error instanceof ListenError) return error;
    throw error;
  }
}
