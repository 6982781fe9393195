import { formatHostPort } from "../platform/address.ts";
import { log } from "../platform/log.ts";
import { OperatorError } from "../platform/operator_error.ts";
import { withTimeout } from "../platform/timeout.ts";
import { NodeConnectionError } from "./node_connection.ts";
import { SLOT_COUNT } from "./node.ts";
import type { ClusterDiscovery } from "./discovery.ts";
import { type ClusterView, coveredSlots, isHealthy, isReady } from "./view.ts";

/** A cluster that starts takes seconds, so there is no hurry after the first few questions. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2000;

/** A cluster that is being created is whole within seconds of its first slot. */
const LONGEST_WHOLE_WAIT_MS = 10_000;

/** The part of the timeout that is spent on waiting for a cluster to become whole. */
const WHOLE_WAIT_PART = 1 / 2;

/**
 * Waits until a node answers for a cluster that is whole: state ok, every slot covered. One that
 * has slots but stays otherwise is served as it is, for its nodes serve, too: after half of
 * `timeoutMs`, or 10 seconds if that is less, counted from when it was first seen. What is waited
 * for is logged whenever that changes, and what is missing when the wait is over.
 *
 * @throws {OperatorError} after `timeoutMs`, or at once where waiting cannot help
 */
export async function waitUntilReady(
  discovery: ClusterDiscovery,
  timeoutMs: number,
): Promise<ClusterView> {
  const deadlineMs = performance.now() + timeoutMs;
  const wholeWaitMs = Math.min(WHOLE_WAIT_PART * timeoutMs, LONGEST_WHOLE_WAIT_MS);
  let endMs = deadlineMs;
  let usable: ClusterView | undefined;
  let obstacle = "No node has answered yet";
  let pauseMs = FIRST_PAUSE_MS;
  for (;;) {
    const looked = await withTimeout(look(discovery), endMs - performance.now());
    if (typeof looked === "object") {
      if (isReady(looked)) return looked;
      if (coveredSlots(looked) > 0) {
        if (usable === undefined) endMs = Math.min(deadlineMs, performance.now() + wholeWaitMs);
        usable = looked;
      }
    }
    const reason = typeof looked === "object"
      ? `The cluster at ${formatHostPort(looked.answeredAt)} is not ready: ${describeLack(looked)}`
      : looked;
    if (reason !== undefined && reason !== obstacle) {
      obstacle = reason;
      log.info("Waiting: {obstacle}", { obstacle });
    }
    const leftMs = endMs - performance.now();
    if (leftMs <= 0 && usable !== undefined) {
      log.warning("Serving a cluster that is not whole: {lack}", { lack: describeLack(usable) });
      return usable;
    }
    if (leftMs <= 0) {
      throw new OperatorError(`${obstacle} (gave up after ${timeoutMs / 1000} s, --start-timeout)`);
    }
    await new Promise((resolve) => setTimeout(resolve, Math.min(pauseMs, leftMs)));
    pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * pauseMs);
  }
}

/** A view of the cluster, ready or not, or why there is none. */
async function look(discovery: ClusterDiscovery): Promise<ClusterView | string> {
  try {
    return await discovery.queryAny({ wanted: isReady });
  } catch (error) {
    if (!(error instanceof AggregateError)) throw error;
    const obstacle = error.errors.map((reason) => reason.message).join("; ");
    const hopeless = error.errors.every((reason) =>
      reason instanceof NodeConnectionError && reason.lasting
    );
    if (hopeless) throw new OperatorError(obstacle);
    return obstacle;
  }
}

/** More ranges than that say no more than their number does. */
const MOST_RANGES = 5;

/** What keeps a cluster from being ready: its state, slots without an owner, owners that failed. */
function describeLack(view: ClusterView): string {
  const lack = [
    `its state is ${view.state}, ${coveredSlots(view)} of ${SLOT_COUNT} slots are covered`,
  ];
  const gaps = uncoveredRanges(view);
  if (gaps.length > 0 && coveredSlots(view) > 0) {
    const more = gaps.length > MOST_RANGES ? ` and ${gaps.length - MOST_RANGES} more ranges` : "";
    lack.push(`no node has ${gaps.slice(0, MOST_RANGES).join(", ")}${more}`);
  }
  for (const node of view.nodes) {
    if (node.slots.length === 0 || isHealthy(node)) continue;
    const address = formatHostPort({ host: node.host || node.hostname, port: node.port });
    const flag = [...node.flags].find((flag) => flag !== "master" && flag !== "myself");
    lack.push(`node ${node.id} at ${address}, which has slots, is marked ${flag}`);
  }
  return lack.join("; ");
}

/** The slots that no node has, as CLUSTER NODES would write them. */
function uncoveredRanges(view: ClusterView): string[] {
  const ranges: string[] = [];
  let next = 0;
  const owned = view.nodes.flatMap(({ slots }) => slots).sort((a, b) => a.first - b.first);
  for (const { first, last } of [...owned, { first: SLOT_COUNT, last: SLOT_COUNT }]) {
    if (first > next) ranges.push(first - 1 === next ? `${next}` : `${next}-${first - 1}`);
    next = Math.max(next, last + 1);
  }
  return ranges;
}
