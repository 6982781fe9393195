import type { NodeConnectionOptions } from "../../src/cluster/node_connection.ts";
import { NodeDialer, type NodeDialerOptions } from "../../src/cluster/node_dialer.ts";
import type { OwnPorts } from "../../src/cluster/own_addresses.ts";
import { createViews, type PublicViewsOptions } from "../../src/nat/public_view.ts";
import { TLS_CONNECTOR } from "./tls.ts";

/** A dialer of a proxy on 127.0.0.1 that serves no port, unless told otherwise. */
export function dialerWith(
  options: Partial<Omit<NodeDialerOptions, "views"> & PublicViewsOptions> = {},
  ports: OwnPorts = { atPort: () => undefined },
  resolveHost?: (host: string) => Promise<string[]>,
): NodeDialer {
  const proxy = {
    listen: { host: "127.0.0.1", port: 8000 },
    publicHost: "127.0.0.1",
    otherViews: [],
    connectTimeoutMs: 1000,
    keepAlive: true,
    tlsConnector: TLS_CONNECTOR,
    via: undefined,
    dialMap: [],
  };
  const all = { ...proxy, ...options };
  return new NodeDialer({ ...all, views: createViews(all) }, ports, resolveHost);
}

/** How a discovery connects to nodes without a password. */
export const NODE_LINK: NodeConnectionOptions = {
  credentials: undefined,
  dialer: dialerWith({ connectTimeoutMs: 3000 }),
};
