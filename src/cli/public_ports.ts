import { MAX_PORT } from "../platform/address.ts";
import type { PublicPort, PublicViewsOptions } from "../nat/public_view.ts";
import type { MappingOptions } from "../proxy/startup.ts";
import type { OptionReader } from "./command_line.ts";
import { invalid } from "./config_error.ts";

/** The options that decide on which ports the proxy listens. */
export type PortOptions = Pick<MappingOptions, "listen" | "maxNodes" | "staticMappings">;

/** The ports on which the proxy may listen; only the fixed ones if it takes free ports. */
export function listenPorts({ listen, maxNodes, staticMappings }: PortOptions): number[] {
  const range = listen.port === 0 ? 0 : maxNodes;
  const ports = Array.from({ length: range }, (_, index) => listen.port + index);
  return [...new Set([...ports, ...staticMappings.map(({ port }) => port)])];
}

/**
 * The options --public-port and PUBLIC of --port-map: at which ports clients reach the listeners.
 *
 * @throws {ConfigError} if two listeners would have one public port, or one a port that is none
 */
export function readPublicPorts(
  options: OptionReader,
  ports: PortOptions,
): Pick<PublicViewsOptions, "firstPublicPort" | "publicPorts"> {
  const firstPublicPort = options.get("public-port");
  const publicPorts = (options.get("port-map") ?? []).flatMap(({ port, publicPort }) =>
    publicPort === undefined ? [] : [{ listen: port, public: publicPort }]
  );
  const raw = options.raw("public-port") ?? options.raw("port-map");
  const isUsed = firstPublicPort !== undefined || publicPorts.length > 0;
  if (raw === undefined || !isUsed) return { firstPublicPort, publicPorts };
  const { port: first } = ports.listen;
  if (first === 0) {
    throw invalid(
      raw,
      "free ports have no fixed public ports; set a port other than 0 in --listen-addr",
    );
  }
  const problem = findProblem(listenPorts(ports), publicPorts, (firstPublicPort ?? first) - first);
  if (problem !== undefined) throw invalid(raw, problem);
  return { firstPublicPort, publicPorts };
}

/** Why ports cannot be public; undefined if they can. */
function findProblem(
  listening: readonly number[],
  publicPorts: readonly PublicPort[],
  shift: number,
): string | undefined {
  const listed = new Map(publicPorts.map((port) => [port.listen, port.public]));
  const takenBy = new Map<number, number>();
  for (const port of listening) {
    const publicPort = listed.get(port) ?? port + shift;
    if (publicPort < 1 || publicPort > MAX_PORT) {
      return `port ${port} would be public at ${publicPort}, which is not from 1 to ${MAX_PORT}; ` +
        "change --public-port or --port-map, or lower --max-nodes";
    }
    const other = takenBy.get(publicPort);
    if (other !== undefined) {
      return `ports ${other} and ${port} would both be public at ${publicPort}; change ` +
        "--public-port or --port-map";
    }
    takenBy.set(publicPort, port);
  }
  return undefined;
}
