import { OperatorError } from "../platform/operator_error.ts";

/** A node of the cluster has no public port. The message is the reason. */
export class NoPublicPortError extends OperatorError {
  override readonly name: string = "NoPublicPortError";
}

/**
 * It is not known at which port clients reach a node's listener; `PublicPortsFile` reports that
 * once for all clients.
 */
export class UnknownPublicPortError extends NoPublicPortError {
  override readonly name = "UnknownPublicPortError";
}
