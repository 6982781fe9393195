import type { AddressReply } from "../commands/expected_reply.ts";
import type { Rewriter } from "./public_addresses.ts";
import { rewriteClients } from "./replies/client_list.ts";
import { rewriteInfo } from "./replies/info.ts";
import { rewriteNodes, rewriteReplicas } from "./replies/nodes.ts";
import { rewriteRole } from "./replies/role.ts";
import { rewriteShards } from "./replies/shards.ts";
import { rewriteSlots } from "./replies/slots.ts";

/** The rewriter of each reply that carries addresses. */
export const REPLY_REWRITERS: Readonly<Record<AddressReply, Rewriter>> = {
  slots: rewriteSlots,
  shards: rewriteShards,
  nodes: rewriteNodes,
  replicas: rewriteReplicas,
  role: rewriteRole,
  info: rewriteInfo,
  clients: rewriteClients,
};
