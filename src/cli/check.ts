import { ListenError, listenOn } from "../proxy/listener.ts";
import { byPort, createDiscovery, createMapping, discover, mappingLine } from "../proxy/startup.ts";
import { close } from "../platform/net.ts";
import { Records } from "../nat/mapping_files.ts";
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
  await discover(createDiscovery(mapping, config), config);
  const { unmapped, nodes } = mapping.directory;
  if (unmapped !== undefined) throw unmapped;
  for (const node of byPort(nodes)) announce(mappingLine(config, node));
  if (refused !== undefined) throw refused;
  await new Records(config, mapping).rehearse();
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
