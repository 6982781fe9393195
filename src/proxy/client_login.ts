import { type Credentials, PasswordFileError } from "../cluster/credentials.ts";
import { NodeConnectionError } from "../cluster/node_connection_error.ts";
import { authRequest, logIn } from "../cluster/node_requests.ts";
import type { HostPort } from "../platform/address.ts";
import { close, closeWrite, type Connection, writeAll } from "../platform/net.ts";
import { withTimeout } from "../platform/timeout.ts";
import { LoginRefusedError } from "../relay/login_refused_error.ts";
import { fromLatin1 } from "../resp/bytes.ts";
import { encodeRequest } from "../resp/frame.ts";

/** The reason is in the log: it may name the node, or a file. */
const REFUSAL = "-NOAUTH The proxy could not log in at the node; see the log of the proxy\r\n";

/** How long a client may take to read the error. */
const REFUSAL_TIMEOUT_MS = 1000;

/** Logs clients in at their nodes with the credentials of the proxy (`--login`). */
export class ClientLogin {
  readonly #credentials: Credentials;

  constructor(credentials: Credentials) {
    this.#credentials = credentials;
  }

  /**
   * Logs in on a new connection to a node.
   *
   * @throws {LoginRefusedError} when there is no password, or the node refuses it
   * @throws {NodeConnectionError} when the node does not answer, or not yet
   */
  async logIn(upstream: Connection, address: HostPort): Promise<void> {
    try {
      await logIn({ connection: upstream, address, speaksTls: undefined }, this.#credentials);
    } catch (error) {
      if (!(error instanceof NodeConnectionError)) throw error;
      if (!error.isDenied && !error.isPermanent) throw error;
      throw new LoginRefusedError(error.message, { cause: error });
    }
  }

  /**
   * The bytes of an AUTH request.
   *
   * @throws {LoginRefusedError} when there is no password
   */
  async request(): Promise<Uint8Array> {
    try {
      return encodeRequest(await authRequest(this.#credentials));
    } catch (error) {
      if (!(error instanceof PasswordFileError)) throw error;
      throw new LoginRefusedError(error.message, { cause: error });
    }
  }
}

/** Tells a client that it is not logged in, and closes the connection. */
export async function refuseLogin(client: Connection): Promise<void> {
  await withTimeout(sendRefusal(client), REFUSAL_TIMEOUT_MS);
  close(client);
}

async function sendRefusal(client: Connection): Promise<void> {
  const buffer = new Uint8Array(1024);
  try {
    await writeAll(client, fromLatin1(REFUSAL));
    await closeWrite(client);
    // The kernel resets a connection that is closed with unread bytes, and the error is lost.
    while (await client.read(buffer) !== null);
  } catch {
    // The client has disconnected, or did not read the error in time.
  }
}
