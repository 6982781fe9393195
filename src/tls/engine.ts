import { Duplex } from "node:stream";
import { createSecureContext, TLSSocket } from "node:tls";
import type { Start } from "./side.ts";

/**
 * TLS without input and output: bytes of the wire in, plaintext and bytes for the wire out, all
 * within the call. It is the runtime's class `TLSWrap`, which node:tls puts below its sockets
 * (denoland/deno, ext/node/ops/tls_wrap.rs, and internal_binding/tls_wrap.ts for its use). It has
 * no public name, so `engineClass` checks it.
 */
export interface Engine {
  /** Takes certificate and key, minimum version, `requestCert` and `rejectUnauthorized`. */
  initServerTls(context: object): number;
  /** Takes the CA, too. The name is given by `setServername`. */
  initClientTls(serverName: "", context: object): number;
  /** Sets the server name to send; call it before `start`. An invalid name is ignored. */
  setServername(name: string): void;
  /** Tells the engine that nobody else moves its bytes. */
  attachJsStream(): number;
  /** Sets whose callbacks are called. The engine holds it until `destroySsl`. */
  setHandle(handle: Engine): void;
  /** Plaintext is copied into this buffer, in pieces of its size; `onread` follows each. */
  useUserBuffer(buffer: Uint8Array): void;
  /** Takes over `onread`. */
  readStart(): number;
  /** Begins the handshake. */
  start(): number;
  /** Decrypts bytes of the wire, and calls back before it returns. */
  receive(bytes: Uint8Array): void;
  /** Encrypts at most 48 KiB, which are not borrowed afterwards; the rest would wait for a read. */
  writeBuffer(request: object, bytes: Uint8Array): number;
  /** Makes the alert close_notify. Bytes that are written later are lost. */
  shutdown(request: object): number;
  /** Takes all bytes for the wire, in a buffer of their own; empty if there are none. */
  drainEncOut(): Uint8Array<ArrayBuffer>;
  /** How many bytes were decrypted since the start. */
  getBytesRead(): number;
  /** The certificates of the peer in DER form, its own first. */
  getPeerCertificateChain(): { readonly certificates: Uint8Array[] } | null;
  /** The OpenSSL code of the error in the server's certificates; "" if there is no error. */
  verifyError(): string;
  /** Frees the session. No callback comes after it. */
  destroySsl(): void;

  /** Plaintext is in the buffer, or the peer has sent close_notify. */
  onread(): void;
  onhandshakestart(): void;
  onhandshakedone(): void;
  onerror(error: Error): void;
}

const METHODS = [
  "initServerTls",
  "initClientTls",
  "setServername",
  "attachJsStream",
  "setHandle",
  "useUserBuffer",
  "readStart",
  "start",
  "receive",
  "writeBuffer",
  "shutdown",
  "drainEncOut",
  "getBytesRead",
  "getPeerCertificateChain",
  "verifyError",
  "destroySsl",
] as const satisfies readonly (keyof Engine)[];

/** The class of the engine: 0 makes one for a client, 1 one for a server. */
export type EngineClass = new (kind: 0 | 1, asyncId: 0) => Engine;

/** The class of the engine, or undefined if this runtime has none with all its methods. */
export function engineClass(): EngineClass | undefined {
  const nowhere = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  const socket = new TLSSocket(nowhere as unknown as ConstructorParameters<typeof TLSSocket>[0], {
    secureContext: createSecureContext(),
  });
  // The socket replaces methods of its own engine, but not those of the class.
  const { _handle } = socket as unknown as { _handle?: { constructor: EngineClass } };
  const found = _handle?.constructor;
  const prototype = found?.prototype as Partial<Engine> | undefined;
  if (METHODS.some((name) => typeof prototype?.[name] !== "function")) return undefined;
  socket.destroy();
  return found;
}

/**
 * Makes an engine for one side, which does not run yet.
 *
 * @throws {Error} if certificate, key or CA cannot be used
 */
export function createEngine(Engine: EngineClass, start: Start): Engine {
  const { context: values } = start.context as unknown as { context: object };
  const engine = new Engine(start.isServer ? 1 : 0, 0);
  const status = start.isServer
    ? engine.initServerTls({
      ...values,
      requestCert: start.clientAuth !== "no",
      // Here it only means that a certificate is mandatory.
      rejectUnauthorized: start.clientAuth === "yes",
    })
    : engine.initClientTls("", { ...values, requestCert: true, rejectUnauthorized: false });
  if (status !== 0) throw new Error("The runtime cannot use the certificate, its key or the CA");
  if (!start.isServer && start.serverName !== undefined) engine.setServername(start.serverName);
  return engine;
}
