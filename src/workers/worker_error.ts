/** A thread cannot be started, has ended by itself or is stuck. The message is for the operator. */
export class WorkerError extends Error {
  override readonly name = "WorkerError";
}
