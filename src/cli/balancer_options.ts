import type { BalancerOptions } from "../proxy/balancers.ts";
import type { OptionReader } from "./command_line.ts";
import { invalid } from "./config_error.ts";

/**
 * How load balancers say who their clients are; undefined if clients connect without.
 *
 * @throws {ConfigError} for one option without the other
 */
export function readBalancers(options: OptionReader): BalancerOptions | undefined {
  const versions = options.get("accept-proxy-protocol");
  const from = options.get("proxy-protocol-from");
  if (versions !== undefined && from !== undefined) return { versions, from };
  if (versions !== undefined) {
    throw invalid(
      options.raw("accept-proxy-protocol")!,
      "anybody could send a header; add --proxy-protocol-from with the addresses of the load " +
        "balancers",
    );
  }
  if (from === undefined) return undefined;
  throw invalid(
    options.raw("proxy-protocol-from")!,
    "no header is expected; add --accept-proxy-protocol, or remove this option",
  );
}
