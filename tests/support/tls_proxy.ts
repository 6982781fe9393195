import type { Config } from "../../src/cli/config.ts";
import type { HostPort } from "../../src/platform/address.ts";
import type { OptionFile } from "../../src/platform/files_watcher.ts";
import type { ClusterNode, RedisCluster } from "./cluster.ts";
import { type LocalProxy, startProxy } from "./proxy.ts";

/**
 * Starts a proxy that speaks TLS to the nodes and plain text to its clients, see `startProxy`. The
 * seed is the first node.
 *
 * @param overrides changes to its configuration
 */
export function startTlsProxy(
  cluster: RedisCluster,
  overrides: Partial<Config> = {},
): Promise<LocalProxy> {
  const { files } = cluster.certificates;
  const file = (name: keyof typeof files): OptionFile => ({
    path: files[name],
    source: `--cluster-${name}`,
  });
  return startProxy(cluster, {
    seeds: [tlsAddress(cluster.nodes[0]!)],
    clusterTls: {
      identity: {
        certificates: file("tls-cert-file"),
        key: file("tls-key-file"),
        passphrase: undefined,
      },
      ca: file("tls-ca-cert-file"),
      serverName: undefined,
      verify: "full",
    },
    ...overrides,
  });
}

/** The address of a node for TLS. */
export function tlsAddress({ host, tlsPort }: ClusterNode): HostPort {
  return { host, port: tlsPort! };
}
