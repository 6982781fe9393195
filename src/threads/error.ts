/** A thread has ended by itself. The message is for the operator. */
export class ThreadError extends Error {
  override readonly name = "ThreadError";
}
