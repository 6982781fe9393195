import type { HeaderVersions } from "../proxy/proxy_header.ts";
import { addressRanges } from "./address_ranges.ts";
import type { Option } from "./option.ts";
import { choice, duration } from "./option_types.ts";

/** The options for a proxy behind a load balancer. */
export const BALANCER_OPTION_ROWS = [
  {
    name: "accept-proxy-protocol",
    env: "ACCEPT_PROXY_PROTOCOL",
    type: choice<HeaderVersions>({ v1: "v1", v2: "v2", any: "any" }, "v1|v2|any"),
    help: "Expect a PROXY header of that version on each client connection, from the load " +
      "balancers of --proxy-protocol-from; its client is shown in CLIENT LIST and in the log.",
  },
  {
    name: "proxy-protocol-from",
    env: "PROXY_PROTOCOL_FROM",
    type: addressRanges,
    help: "Addresses of the load balancers, such as 10.0.0.0/8,2001:db8::7; connections from " +
      "elsewhere are closed.",
  },
  {
    name: "drain-delay",
    env: "DRAIN_DELAY",
    type: duration(),
    default: "0",
    help: "How long the ports stay open after SIGTERM or SIGINT, so that load balancers notice " +
      "the stop and send no more clients; --shutdown-grace follows.",
  },
] as const satisfies readonly Option[];
