import { ClusterDiscovery } from "../../src/cluster/discovery.ts";
import { NodeConnectionError } from "../../src/cluster/node_connection_error.ts";
import type { ClusterView } from "../../src/cluster/view.ts";
import { formatHostPort, type HostPort } from "../../src/platform/address.ts";
import { NODE_LINK } from "./dialer.ts";

/** A discovery with scripted answers. */
export class ScriptedDiscovery extends ClusterDiscovery {
  /** The views that `queryAny` returns, one after the other; the last one repeats. */
  views: ClusterView[];
  /** The view of the node at each address. */
  readonly answers = new Map<string, ClusterView>();
  /** The queries in order: "any", or an address. */
  readonly asked: string[] = [];
  /** Holds `queryAny` until it is resolved. */
  gate: Promise<void> = Promise.resolve();

  constructor(...views: ClusterView[]) {
    super({ seeds: [], ...NODE_LINK });
    this.views = views;
  }

  override async queryAny(): Promise<ClusterView> {
    this.asked.push("any");
    await this.gate;
    const view = this.views.length > 1 ? this.views.shift()! : this.views[0]!;
    return { ...view, takenAtMs: performance.now() };
  }

  override queryNodeOrThrow(address: HostPort): Promise<ClusterView> {
    const at = formatHostPort(address);
    this.asked.push(at);
    const view = this.answers.get(at);
    if (view === undefined) return Promise.reject(new NodeConnectionError(`No node is at ${at}`));
    return Promise.resolve({ ...view, takenAtMs: performance.now() });
  }
}
