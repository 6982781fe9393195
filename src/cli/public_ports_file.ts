import type { PublicViewsOptions } from "../nat/public_view.ts";
import type { ProxyOptions } from "../proxy/proxy.ts";
import type { OptionReader } from "./command_line.ts";
import { ConfigError, invalid } from "./config_error.ts";

/**
 * The option --public-ports-file.
 *
 * @throws {ConfigError} if another option has public ports, too
 */
export function readPublicPortsFile(
  options: OptionReader,
): Pick<ProxyOptions, "publicPortsFile"> & Pick<PublicViewsOptions, "awaitsPublicPorts"> {
  const raw = options.raw("public-ports-file");
  if (raw === undefined) return { publicPortsFile: undefined, awaitsPublicPorts: false };
  const first = options.raw("public-port");
  if (first !== undefined) {
    throw new ConfigError(`Both ${first.source} and ${raw.source} are set; expected one`);
  }
  const listed = options.get("port-map")?.find(({ publicPort }) => publicPort !== undefined);
  if (listed !== undefined) {
    const { port, publicPort } = listed;
    throw invalid(
      options.raw("port-map")!,
      `the public port of ${port} comes from ${raw.source}; leave :${publicPort} out`,
    );
  }
  return { publicPortsFile: { path: raw.text, source: raw.source }, awaitsPublicPorts: true };
}
