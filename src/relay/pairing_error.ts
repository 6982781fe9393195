/** A frame does not answer the expected request, so replies can no longer be paired. */
export class PairingError extends Error {
  override readonly name = "PairingError";
}

/** The node ended the connection, so a reply that is waited for never comes. */
export class AbandonedError extends Error {
  override readonly name = "AbandonedError";

  constructor() {
    super("The node closed the connection before it sent all replies");
  }
}
