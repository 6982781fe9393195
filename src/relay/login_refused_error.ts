/** The proxy cannot log a client in at its node. The message says why, for the operator. */
export class LoginRefusedError extends Error {
  override readonly name = "LoginRefusedError";

  /** For the error of a node to AUTH, which may repeat the password: only its code is shown. */
  static afterReset(error: string): LoginRefusedError {
    return new LoginRefusedError(`The node refused it after RESET: ${error.split(" ", 1)[0]}`);
  }
}
