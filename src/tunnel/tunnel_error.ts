/** A node cannot be reached through the tunnel. The message is the end of a sentence about the node. */
export class TunnelError extends Error {
  override readonly name: string = "TunnelError";
}

/** The tunnel itself cannot be used, so no node can be reached. The message is a sentence. */
export class TunnelDownError extends TunnelError {
  override readonly name = "TunnelDownError";
}
