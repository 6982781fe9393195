import { OperatorError } from "../platform/operator_error.ts";

/** A node of the cluster has no public port. The message is the reason. */
export class NoPublicPortError extends OperatorError {
  override readonly name = "NoPublicPortError";
}
