/** A frame came that answers nothing: which reply answers which request is not known any more. */
export class PairingError extends Error {
  override readonly name = "PairingError";
}

/** The node will send nothing more, so nobody need wait for a reply. */
export class AbandonedError extends Error {
  override readonly name = "AbandonedError";

  constructor() {
    super("The node has ended the connection before all its replies");
  }
}
