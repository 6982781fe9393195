import { formatHostPort } from "../platform/address.ts";
import { close, type Connection, writeAll } from "../platform/net.ts";
import { joined } from "../resp/bytes.ts";
import { decodeFrame, encodeRequest, type Value } from "../resp/frame.ts";
import { NO_STOPS, ReplyScanner } from "../resp/reply_scanner.ts";
import { isTlsRecord } from "../tls/side.ts";
import { TlsError } from "../tls/tls_error.ts";
import type { NodeAddress } from "./node_address.ts";
import { type Credentials, PasswordFileError, readPassword } from "./credentials.ts";
import {
  dialError,
  NodeConnectionError,
  orThrow,
  otherError,
  replyError,
} from "./node_connection_error.ts";

/** Nodes reply to cluster queries within a millisecond, unless a script blocks them. */
const REPLY_TIMEOUT_MS = 5000;

/** Ten times the replies of a cluster of 1000 nodes in which each slot is a range of its own. */
const MAX_REPLY_BYTES = 16 * 1024 * 1024;

const BUFFER_BYTES = 16 * 1024;

/** A connection to a node on which the proxy sends requests of its own. */
export interface NodeLink {
  readonly connection: Connection;
  /** The address of the node, for messages. */
  readonly address: NodeAddress;
  /** Whether the node speaks TLS here while the proxy does not; undefined after its first byte. */
  speaksTls: (() => Promise<boolean>) | undefined;
}

/**
 * Sends requests in one pipeline and returns the reply to each; an error reply becomes a
 * NodeConnectionError that explains it. Nobody else may use the connection meanwhile. It is closed
 * if the replies are late.
 *
 * @throws {NodeConnectionError} if a reply is missing
 */
export async function requestAll(
  link: NodeLink,
  requests: readonly string[][],
): Promise<(Value | NodeConnectionError)[]> {
  const { connection, address } = link;
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    close(connection);
  }, REPLY_TIMEOUT_MS);
  let replies: Value[];
  try {
    await writeAll(connection, joined(requests.map((args) => encodeRequest(args))));
    replies = (await readFrames(link, requests.length)).map(decodeFrame);
  } catch (error) {
    if (error instanceof NodeConnectionError) throw error;
    // With TLS 1.3 a node refuses the proxy's certificate after the handshake.
    if (error instanceof TlsError) throw dialError(address, error);
    // Redis closes a connection to a port for TLS.
    if (isEnd(error) && await link.speaksTls?.()) throw otherError(address, false);
    const problem = isLate
      ? `did not answer within ${REPLY_TIMEOUT_MS} ms`
      : `failed to reply: ${error instanceof Error ? error.message : error}`;
    throw new NodeConnectionError(`Node ${formatHostPort(address)} ${problem}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
  return replies.map((reply, index) =>
    reply.type === "-" ? replyError(address, requests[index]!, reply.text) : reply
  );
}

/** The AUTH request of some credentials; the password is read now. */
export async function authRequest(credentials: Credentials): Promise<string[]> {
  const { username } = credentials;
  const user = username === undefined ? [] : [username];
  return ["AUTH", ...user, await readPassword(credentials)];
}

/**
 * Authenticates a connection.
 *
 * @throws {NodeConnectionError} if there is no password, or the node refuses it
 */
export async function logIn(link: NodeLink, credentials: Credentials): Promise<void> {
  const { password } = credentials;
  try {
    const [reply] = await requestAll(link, [await authRequest(credentials)]);
    orThrow(reply!);
  } catch (error) {
    if (error instanceof PasswordFileError) {
      throw new NodeConnectionError(error.message, { isDenied: true, cause: error });
    }
    if (!(error instanceof NodeConnectionError && error.isDenied) || typeof password === "string") {
      throw error;
    }
    // A later attempt may find another password in the file, or another user on the node.
    const message = `${error.message} (password file '${password.file}')`;
    throw new NodeConnectionError(message, { isDenied: true, cause: error });
  }
}

async function readFrames(link: NodeLink, count: number): Promise<Uint8Array[]> {
  const buffer = new Uint8Array(BUFFER_BYTES);
  const scanner = new ReplyScanner();
  const frames: Uint8Array[] = [];
  let pieces: Uint8Array[] = [];
  let bytes = 0;
  while (frames.length < count) {
    const read = await link.connection.read(buffer);
    if (read === null) throw new Deno.errors.UnexpectedEof("the connection was closed");
    if (link.speaksTls !== undefined && isTlsRecord(buffer[0]!)) {
      throw otherError(link.address, false);
    }
    link.speaksTls = undefined;
    bytes += read;
    if (bytes > MAX_REPLY_BYTES) throw new Error(`it sent more than ${MAX_REPLY_BYTES} bytes`);
    for (let at = 0; at < read && frames.length < count;) {
      const end = scanner.advance(buffer, at, read, 1, NO_STOPS);
      pieces.push(buffer.slice(at, end));
      at = end;
      if (scanner.frames === 0) continue;
      frames.push(joined(pieces));
      pieces = [];
    }
  }
  return frames;
}

/** Whether the node ended the connection. */
function isEnd(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.UnexpectedEof;
}
