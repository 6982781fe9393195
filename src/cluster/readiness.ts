import { formatHostPort } from "../address.ts";
import { log } from "../log.ts";
import { LinkError } from "./link.ts";
import { SLOT_COUNT } from "./node.ts";
import { coveredSlots, type Topology, type View } from "./topology.ts";

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
  let pauseMs = FIRST_PAUSE_MS;
  let said = "";
  for (;;) {
    let obstacle: string;
    try {
      const view = await topology.look();
      const covered = coveredSlots(view);
      if (view.state === "ok" && covered === SLOT_COUNT) return view;
      obstacle = `The cluster at ${formatHostPort(view.answeredAt)} is not ready: ` +
        `its state is ${view.state}, ${covered} of ${SLOT_COUNT} slots are covered`;
    } catch (error) {
      if (!(error instanceof AggregateError)) throw error;
      obstacle = error.errors.map((reason) => reason.message).join("; ");
      const hopeless = error.errors.every((reason) =>
        reason instanceof LinkError && reason.lasting
      );
      if (hopeless) throw new NotReadyError(obstacle);
    }
    if (performance.now() + pauseMs > deadline) {
      throw new NotReadyError(`${obstacle} (gave up after ${timeoutMs / 1000} s, --start-timeout)`);
    }
    if (obstacle !== said) log.info("Waiting: {obstacle}", { obstacle });
    said = obstacle;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * pauseMs);
  }
}
