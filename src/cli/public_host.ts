import type { PublicViewOptions } from "../nat/public_view.ts";
import { isIpAddress, isLocalhost, isWildcard } from "../platform/address.ts";
import type { OptionReader } from "./command_line.ts";
import { invalid, quote } from "./config_error.ts";
import { REACHED } from "./option_types.ts";

/** What clients of the first view are shown as the host of every node. */
export interface PublicHost extends Pick<PublicViewOptions, "publicHost" | "publicIp"> {
  /**
   * Whether the public host is 127.0.0.1 because neither --public-host nor --listen-addr has one.
   */
  readonly publicHostAssumed: boolean;
}

/**
 * The options --public-host and --public-ip.
 *
 * @param warnings gets what the operator should know
 * @throws {ConfigError} if there is a public IP address beside a public host that is one
 */
export function readPublicHost(
  options: OptionReader,
  listenHost: string,
  warnings: string[],
): PublicHost {
  const publicHost = options.get("public-host");
  const host = publicHost ?? hostOfListener(listenHost);
  const { source, text } = options.raw("public-host") ?? { source: "", text: "" };
  if (isLocalhost(text.trim())) {
    warnings.push(
      `Advertising ${source} '${text}' as 127.0.0.1, which only clients on this machine can reach`,
    );
  }
  return {
    publicHost: host === REACHED ? undefined : host,
    publicIp: readPublicIp(options, host),
    publicHostAssumed: publicHost === undefined && isWildcard(listenHost),
  };
}

function hostOfListener(host: string): string {
  return isWildcard(host) || isLocalhost(host) ? "127.0.0.1" : host;
}

function readPublicIp(options: OptionReader, publicHost: string): string | undefined {
  const publicIp = options.get("public-ip");
  if (publicIp === undefined) return undefined;
  if (publicHost !== REACHED && !isIpAddress(publicHost)) return publicIp;
  throw invalid(
    options.raw("public-ip")!,
    `the public host is an IP address, too: ${quote(publicHost)}; set --public-host to a ` +
      "name, or leave --public-ip out",
  );
}
