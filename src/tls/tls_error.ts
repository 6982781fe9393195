import { oneLine } from "../platform/one_line.ts";

/** Why a connection cannot speak TLS. */
export type TlsFailure =
  | "plain"
  | "unknown-ca"
  | "wrong-name"
  | "expired"
  | "not-yet-valid"
  | "client-certificate-wanted"
  | "client-certificate-refused"
  | "wrong-usage"
  | "version"
  | "timeout"
  | "protocol";

/**
 * A TLS handshake failed, or an established connection received what TLS does not allow. The
 * message is one line for the operator and names the option that fits, if there is one.
 */
export class TlsError extends Error {
  override readonly name = "TlsError";
  readonly reason: TlsFailure;

  constructor(reason: TlsFailure, message: string, options?: ErrorOptions) {
    super(oneLine(message), options);
    this.reason = reason;
  }

  /** Whether a retry cannot help, because the operator must change a configuration. */
  get isPermanent(): boolean {
    return this.reason !== "timeout" && this.reason !== "protocol";
  }
}

/** The name of the alert (RFC 8446, section 6) that the peer has sent, in a message of the runtime. */
export function alertIn(message: string): string | undefined {
  return /received fatal alert: (\w+)/.exec(message)?.[1];
}
