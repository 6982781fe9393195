import type { NodeRef } from "../../src/cluster/node_ref.ts";
import type { NatEntry, NatTable } from "../../src/nat/nat_table.ts";
import type { PublicView } from "../../src/nat/public_view.ts";
import { LogThrottle } from "../../src/platform/log_throttle.ts";
import type { Connection } from "../../src/platform/net.ts";
import { SessionLog } from "../../src/proxy/session_log.ts";
import { SessionRewriter } from "../../src/proxy/session_rewriter.ts";
import { Statistics } from "../../src/proxy/statistics.ts";
import { fromLatin1, toLatin1 } from "../../src/resp/bytes.ts";
import type { Rewriter } from "../../src/rewrite/public_addresses.ts";

/** A session that is rewritten without connections. */
export interface RewrittenSession {
  readonly view: PublicView;
  readonly natTable: NatTable;
  readonly node: NatEntry;
  /** The address to which the client has connected. */
  readonly reachedAt: string;
  /** See `AddressSources`. */
  readonly readPublicPorts?: () => Promise<void>;
}

/** The rewriter of a session whose node is dialled at its address in the table. */
export function rewriterFor(
  { view, natTable, node, reachedAt, readPublicPorts = () => Promise.resolve() }: RewrittenSession,
): SessionRewriter {
  const socket = (remote: string, local: string) =>
    ({
      remoteAddr: { transport: "tcp", hostname: remote, port: 7000 },
      localAddr: { transport: "tcp", hostname: local, port: 8000 },
    }) as Connection;
  const ends = {
    node,
    client: socket("192.0.2.9", reachedAt),
    upstream: socket(node.address.host, "::"),
  };
  const sources = {
    view,
    natTable,
    nodeResolver: { resolve: (ref: NodeRef) => Promise.resolve(natTable.portOf(ref)) },
    readPublicPorts,
    clients: {
      clientAt: () => null,
      fetchClients: () => Promise.resolve(new Map()),
      upstreamOf: () => undefined,
    },
    resolver: { resolve: () => Promise.resolve([]) },
  };
  const context = { throttle: new LogThrottle(), viewName: undefined };
  const log = new SessionLog({ clientId: 1, node }, "c", context);
  return new SessionRewriter(ends, sources, { log, statistics: new Statistics() });
}

/** What a client gets for a frame of the node. */
export async function rewritten(
  rewriter: SessionRewriter,
  frame: string,
  rewrite: Rewriter,
): Promise<string> {
  // The kind is for statistics only.
  const action = { type: "rewrite", rewrite, kind: "redirect" } as const;
  return toLatin1(await rewriter.rewriteReply(fromLatin1(frame), action, performance.now()));
}
