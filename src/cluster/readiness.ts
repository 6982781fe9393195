import { formatHostPort } from "../address.ts";
import { log } from "../log.ts";
import { atMost } from "../waiting.ts";
import { LinkError } from "./link.ts";
import { SLOT_COUNT } from "./node.ts";
import { coveredSlots, isReady, type Topology, type View } from "./topology.ts";

/** The cluster did not become ready, or cannot. */
export class NotReadyError extends Error {
  override readonly name = "NotReadyError";
}

/** A cluster that starts takes seconds, so there is no hurry after the first few questions. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2000;

/**
 * Waits until a node answers that its cluster is ready: state ok, every slot covered. What it
 * waits for is logged whenever that changes.
 *
 * @throws {NotReadyError} after `timeoutMs`, or at once where waiting cannot help
 */
export async function waitUntilReady(topology: Topology, timeoutMs: number): Promise<View> {
  const deadline = performance.now() + timeoutMs;
  let obstacle = "No node has answered yet";
  let pauseMs = FIRST_PAUSE_MS;
  for (;;) {
    const looked = await atMost(deadline - performance.now(), lookForReady(topology));
    if (typeof looked === "object") return looked;
    if (looked !== undefined && looked !== obstacle) {
      obstacle = looked;
      log.info("Waiting: {obstacle}", { obstacle });
    }
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) {
      throw new NotReadyError(`${obstacle} (gave up after ${timeoutMs / 1000} s, --start-timeout)`);
    }
    await new Promise((resolve) => setTimeout(resolve, Math.min(pauseMs, leftMs)));
    pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * pauseMs);
  }
}

/** A view of a ready cluster, or what stands in the way. */
async function lookForReady(topology: Topology): Promise<View | string> {
  try {
    const view = await topology.look({ wanted: isReady });
    return isReady(view)
      ? view
      : `The cluster at ${formatHostPort(view.answeredAt)} is not ready: ` +
        `its state is ${view.state}, ${coveredSlots(view)} of ${SLOT_COUNT} slots are covered`;
  } catch (error) {
    if (!(error instanceof AggregateError)) throw error;
    const obstacle = error.errors.map((reason) => reason.message).join("; ");
    const hopeless = error.errors.every((reason) => reason instanceof LinkError && reason.lasting);
    if (hopeless) throw new NotReadyError(obstacle);
    return obstacle;
  }
}
