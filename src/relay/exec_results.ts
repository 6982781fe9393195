import { ExpectedReplies } from "../commands/expected_reply.ts";
import type { ConnectionState } from "./connection_state.ts";
import { type FrameAction, FrameActions } from "./frame_action.ts";
import type { FrameHead } from "./frame_head.ts";
import { PairingError } from "./pairing_error.ts";
import type { ReplyQueue } from "./reply_queue.ts";
import { HeldResults, NO_TRANSACTION, type ResultLayout, USUAL_LAYOUT } from "./transaction.ts";

/** Begins and ends the results of EXEC. They are held if the marker after it decides their pairing. */
export class ExecResults {
  readonly #state: ConnectionState;
  #held: HeldResults | undefined;

  constructor(state: ConnectionState) {
    this.#state = state;
  }

  /** Whether results are held. */
  get areHeld(): boolean {
    return this.#held !== undefined;
  }

  /** Counts a held frame, or returns true if the frame answers the marker. */
  add(head: FrameHead, isNonce: boolean): boolean {
    return this.#held!.add(head, isNonce);
  }

  /**
   * Begins the results, or begins to hold them; called again when all held ones have come.
   *
   * @param head the header of the array
   * @throws {PairingError} if the results cannot be paired with the queued commands
   */
  begin(head: FrameHead, isMarked: boolean): FrameAction {
    const state = this.#state;
    const { transaction, isMuted } = state;
    if (transaction.phase !== "open" || head.count !== transaction.queued.total) {
      throw new PairingError("The results of EXEC do not match the commands that were queued");
    }
    const { queued } = transaction;
    const layout = isMarked ? this.#layoutOf(queued) : USUAL_LAYOUT;
    if (layout === undefined) return { type: "hold", head };
    state.transaction = { phase: "results", left: layout.left ?? queued, layout };
    return isMuted ? FrameActions.dropHeader : FrameActions.header;
  }

  /** Ends the transaction if its last result has come; returns whether that is so. */
  end(): boolean {
    const { transaction } = this.#state;
    if (transaction.phase !== "results") return false;
    const { left } = transaction;
    // REPLCONF ACK has no result.
    while (left.first === ExpectedReplies.none) left.take(1);
    if (left.total > 0) return false;
    this.#state.transaction = NO_TRANSACTION;
    return true;
  }

  /** The layout of the results of a transaction; undefined until all of them have come. */
  #layoutOf(queued: ReplyQueue): ResultLayout | undefined {
    const held = this.#held ??= new HeldResults(queued, {
      hasMessages: !this.#state.isResp3,
      hasLines: this.#state.isMonitoring,
    });
    if (held.isAmbiguous && !held.isComplete) return undefined;
    this.#held = undefined;
    const layout = held.isAmbiguous ? held.layout() : USUAL_LAYOUT;
    if (layout === undefined) {
      throw new PairingError("The results of EXEC may belong to different commands");
    }
    return layout;
  }
}
