import type { NodeRef } from "../../src/cluster/node_ref.ts";
import type { AddressMap, MappedNode } from "../../src/rewrite/address_map.ts";

/** The address map of a session whose node is at 10.0.0.1:7000, and that knows nothing else. */
export class EmptyAddressMap implements AddressMap {
  publicHost = "nat.example";
  publicIp: string | undefined;
  hasHostnames = true;
  ownId = "a".repeat(40);
  ownPort = 8000;
  ownAddress = { host: "10.0.0.1", port: 7000 };
  reachedAt = "192.0.2.1";

  isOwnPort(publicPort: number): boolean {
    return publicPort === this.ownPort;
  }

  portOf(_ref: NodeRef): number | undefined {
    return undefined;
  }

  resolvePort(_ref: NodeRef, _sinceMs: number): Promise<number | undefined> {
    return Promise.resolve(undefined);
  }

  nodeAt(_publicPort: number): MappedNode | undefined {
    return undefined;
  }

  isPrivate(_address: { host: string; port: number }): boolean {
    return false;
  }

  clientAt(_upstream: string): string | null | undefined {
    return null;
  }

  fetchClients(_upstreams: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return Promise.resolve(new Map());
  }

  upstreamOf(_client: string): string | undefined {
    return undefined;
  }

  resolve(_host: string): Promise<readonly string[]> {
    return Promise.resolve([]);
  }
}
