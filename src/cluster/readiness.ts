import { formatHostPort } from "../platform/address.ts";
import { log } from "../platform/log.ts";
import { OperatorError } from "../platform/operator_error.ts";
import { withTimeout } from "../platform/timeout.ts";
import { messagesOf, NodeConnectionError } from "./node_connection_error.ts";
import { SLOT_COUNT } from "./node.ts";
import type { ClusterDiscovery } from "./discovery.ts";
import { type ClusterView, coveredSlots, isHealthy, isReady, uncoveredRanges } from "./view.ts";

/** Between two queries. A cluster takes seconds to start, so each pause doubles the last one. */
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 2000;

/** A cluster that is being created is complete within seconds of its first slot. */
const MAX_COMPLETE_WAIT_MS = 10_000;

/** The part of the timeout to wait for an incomplete cluster to become complete. */
const COMPLETE_WAIT_RATIO = 1 / 2;

/**
 * Waits until the cluster is ready: state ok, every slot covered. A cluster that has slots but does
 * not become ready is served, because its nodes serve clients, too: after half of `timeoutMs`, but
 * at most 10 s, from its first answer. Each new obstacle is logged, and at the end what is missing.
 *
 * @param onObstacle gets each new obstacle
 * @throws {OperatorError} after `timeoutMs`, or at once if waiting cannot help
 */
export async function waitUntilReady(
  discovery: ClusterDiscovery,
  timeoutMs: number,
  onObstacle: (obstacle: string) => void = () => {},
): Promise<ClusterView> {
  const deadlineMs = performance.now() + timeoutMs;
  const completeWaitMs = Math.min(COMPLETE_WAIT_RATIO * timeoutMs, MAX_COMPLETE_WAIT_MS);
  let endMs = deadlineMs;
  let usable: ClusterView | undefined;
  let obstacle = "No node has answered yet";
  let pauseMs = FIRST_PAUSE_MS;
  for (;;) {
    const result = await withTimeout(query(discovery), endMs - performance.now());
    if (typeof result === "object") {
      if (isReady(result)) return result;
      if (coveredSlots(result) > 0) {
        if (usable === undefined) endMs = Math.min(deadlineMs, performance.now() + completeWaitMs);
        usable = result;
      }
    }
    const reason = typeof result === "object"
      ? `The cluster at ${formatHostPort(result.answeredAt)} is not ready: ` +
        describeMissing(result)
      : result;
    if (reason !== undefined && reason !== obstacle) {
      obstacle = reason;
      onObstacle(obstacle);
      log.info("Waiting for the cluster: {obstacle}", { obstacle });
    }
    const leftMs = endMs - performance.now();
    if (leftMs <= 0 && usable !== undefined) {
      log.warning("Serving an incomplete cluster: {missing}", { missing: describeMissing(usable) });
      return usable;
    }
    if (leftMs <= 0) {
      throw new OperatorError(`${obstacle} (gave up after ${timeoutMs / 1000} s, --start-timeout)`);
    }
    await new Promise((resolve) => setTimeout(resolve, Math.min(pauseMs, leftMs)));
    pauseMs = Math.min(MAX_PAUSE_MS, 2 * pauseMs);
  }
}

/** A view of the cluster, ready or not, or the reasons why no node answered. */
async function query(discovery: ClusterDiscovery): Promise<ClusterView | string> {
  try {
    return await discovery.queryAny({ isSufficient: isReady });
  } catch (error) {
    if (!(error instanceof AggregateError)) throw error;
    const obstacle = messagesOf(error.errors);
    const isPermanent = error.errors.every((reason) =>
      reason instanceof NodeConnectionError && reason.isPermanent
    );
    if (isPermanent) throw new OperatorError(obstacle);
    return obstacle;
  }
}

/** How many ranges a message lists; the others are only counted. */
const MAX_RANGES = 5;

/** Why a cluster is not ready: its state, slots without an owner, owners that failed. */
function describeMissing(view: ClusterView): string {
  const missing = [
    `its state is ${view.state}, ${coveredSlots(view)} of ${SLOT_COUNT} slots are covered`,
  ];
  const gaps = uncoveredRanges(view).map(({ first, last }) =>
    first === last ? `${first}` : `${first}-${last}`
  );
  if (gaps.length > 0 && coveredSlots(view) > 0) {
    const more = gaps.length > MAX_RANGES ? ` and ${gaps.length - MAX_RANGES} more ranges` : "";
    missing.push(`no node owns ${gaps.slice(0, MAX_RANGES).join(", ")}${more}`);
  }
  for (const node of view.nodes) {
    if (node.slots.length === 0 || isHealthy(node)) continue;
    const address = formatHostPort({ host: node.host || node.hostname, port: node.port });
    const flag = [...node.flags].find((flag) => flag !== "master" && flag !== "myself");
    missing.push(`node ${node.id} at ${address}, which owns slots, is flagged ${flag}`);
  }
  return missing.join("; ");
}
