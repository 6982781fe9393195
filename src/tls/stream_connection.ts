import { Duplex } from "node:stream";
import { connect, TLSSocket } from "node:tls";
import { type Connection, writeAll } from "../platform/net.ts";
import { chainOf } from "./peer_chain.ts";
import type { PeerCertificates, Side, Start, TlsConnection } from "./side.ts";

/**
 * TLS by node:tls over a stream that is pulled by hand, in public names of the runtime only.
 *
 *   read ── chunks ◀─ data ─── TLSSocket ◀─ data ── Wire ◀─ read ── connection
 *   write ───────── write ─▶            ── write ─▶      ── write ─▶
 */
export class StreamConnection implements TlsConnection {
  readonly #tcp: Connection;
  readonly #side: Side;
  readonly #wire: Duplex;
  readonly #socket: TLSSocket;
  /** Decrypted, but not read yet; at most what one read of the wire contains. */
  #chunks: Uint8Array[] = [];
  /** How much of the first chunk was read. */
  #chunkAt = 0;
  readonly #received = new Uint8Array(RECEIVE_BYTES);
  /** One read of the wire is pending: it outlives a `read` that ends before it. */
  #isReading = false;
  #wasRead = false;
  /** The last write of the wire that is pending. */
  #sending: Promise<void> | undefined;
  #isSecure = false;
  #end: "none" | "wire" | "all" = "none";
  /** Why neither side goes on. */
  #failure: unknown;
  #endOfWrites: Promise<void> | undefined;
  #waiting: (() => void)[] = [];

  constructor(connection: Connection, side: Side) {
    this.#tcp = connection;
    this.#side = side;
    this.#wire = new Wire((bytes, done) => void this.#send(bytes, done));
    const socket = this.#socket = wrap(this.#wire, side.start);
    const fail = (error: Error) => {
      // node:tls has an error of its own for an end within the handshake.
      const isEnd = this.#end !== "none" && (error as NodeJS.ErrnoException).code === "ECONNRESET";
      this.fail(isEnd ? side.endError() : side.errorOf(error, this.#isSecure));
    };
    socket.on("error", fail);
    // A server's socket reports errors only so.
    socket.on("_tlsError", fail);
    socket.on("data", (chunk: Uint8Array) => {
      this.#chunks.push(chunk);
      this.#wake();
    });
    const end = () => {
      this.#end = "all";
      this.#wake();
    };
    socket.on("end", end);
    socket.on("close", end);
    socket.once(side.start.isServer ? "secure" : "secureConnect", () => {
      this.#isSecure = true;
      this.#wake();
    });
  }

  get localAddr(): Deno.NetAddr {
    return this.#tcp.localAddr;
  }

  get remoteAddr(): Deno.NetAddr {
    return this.#tcp.remoteAddr;
  }

  get peerCertificates(): PeerCertificates {
    const { authorized, authorizationError } = this.#socket;
    const problem = this.#side.start.isServer || authorized ? undefined : `${authorizationError}`;
    return { chain: chainOf(this.#socket), problem };
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    for (;;) {
      const chunk = this.#chunks[0];
      if (chunk !== undefined) return this.#take(chunk, buffer);
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#end === "all") return null;
      await this.#pull();
    }
  }

  /** Bytes are borrowed until the write settles, and all are encrypted by then. */
  async write(bytes: Uint8Array): Promise<number> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#socket.writableEnded) throw new Deno.errors.BrokenPipe("The writable side has ended");
    const part = bytes.length <= WRITE_BYTES ? bytes : bytes.subarray(0, WRITE_BYTES);
    if (part.length === 0) return 0;
    await new Promise<void>((resolve, reject) => {
      // Called even if the socket is destroyed.
      this.#socket.write(part, (error) => error ? reject(this.#failure ?? gone(error)) : resolve());
    });
    return part.length;
  }

  closeWrite(): Promise<void> {
    return this.#endOfWrites ??= this.#endWrites();
  }

  async #endWrites(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    let hasEnded = false;
    this.#socket.end(() => {
      hasEnded = true;
      this.#wake();
    });
    // By then the end of TLS, one more record, is among the writes.
    while (!hasEnded || this.#sending !== undefined) {
      if (this.#failure !== undefined) throw this.#failure;
      await this.#wait();
    }
    if (this.#failure !== undefined) throw this.#failure;
    await this.#tcp.closeWrite();
  }

  close(): void {
    this.fail(new Deno.errors.BadResource("The connection is closed"));
    this.#chunks = [];
    this.#tcp.close();
  }

  async handshake(): Promise<void> {
    while (!this.#isSecure) {
      if (this.#failure !== undefined) throw this.#failure;
      // An alert that came right before the end says more.
      if (this.#end === "all") throw this.#side.endError();
      await this.#pull();
    }
  }

  #take(chunk: Uint8Array, buffer: Uint8Array): number {
    const length = Math.min(chunk.length - this.#chunkAt, buffer.length);
    buffer.set(chunk.subarray(this.#chunkAt, this.#chunkAt + length));
    this.#chunkAt += length;
    if (this.#chunkAt === chunk.length) {
      this.#chunks.shift();
      this.#chunkAt = 0;
    }
    return length;
  }

  /** Waits until something has changed, and reads the wire for it unless that has ended. */
  #pull(): Promise<void> {
    if (!this.#isReading && this.#end === "none") void this.#receive();
    return this.#wait();
  }

  async #receive(): Promise<void> {
    this.#isReading = true;
    try {
      const length = await this.#tcp.read(this.#received);
      if (length === null) {
        if (this.#end === "none") this.#end = "wire";
        this.#wire.emit("end");
      } else if (!this.#wasRead && !this.#side.isTls(this.#received[0]!)) {
        this.fail(this.#side.plainError());
      } else {
        this.#wasRead = true;
        const bytes = this.#received.subarray(0, length);
        if (!this.#isSecure) this.#side.watcher?.received(bytes);
        this.#wire.emit("data", bytes);
      }
    } catch (error) {
      this.fail(error);
    } finally {
      this.#isReading = false;
      this.#wake();
    }
  }

  /** Sends what TLS has encrypted, in its order. */
  async #send(bytes: Uint8Array, done: WriteDone): Promise<void> {
    const before = this.#sending;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#sending = promise;
    let failure: Error | undefined;
    try {
      await before;
      if (!this.#isSecure) this.#side.watcher?.sent(bytes);
      await writeAll(this.#tcp, bytes);
    } catch (error) {
      this.fail(error);
      failure = error as Error;
    }
    if (this.#sending === promise) this.#sending = undefined;
    resolve();
    done(failure);
    this.#wake();
  }

  fail(reason: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = reason;
    this.#socket.destroy();
    this.#wake();
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** Starts TLS over a stream. */
function wrap(wire: Duplex, start: Start): TLSSocket {
  if (start.isServer) {
    return new TLSSocket(wire as unknown as ConstructorParameters<typeof TLSSocket>[0], {
      isServer: true,
      secureContext: start.context,
      requestCert: start.clientAuth !== "no",
      // Here it only means that a certificate is mandatory.
      rejectUnauthorized: start.clientAuth === "yes",
    });
  }
  return connect({
    socket: wire,
    secureContext: start.context,
    ...(start.serverName !== undefined && { servername: start.serverName }),
    // Whatever NODE_TLS_REJECT_UNAUTHORIZED says.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  });
}

/**
 * The encrypted side of a socket. What it writes goes out at once, even after the socket has failed
 * and destroyed this stream: that is the alert that tells the peer why.
 */
class Wire extends Duplex {
  readonly #send: (bytes: Uint8Array, done: WriteDone) => void;

  constructor(send: (bytes: Uint8Array, done: WriteDone) => void) {
    super({ allowHalfOpen: true });
    this.#send = send;
  }

  /** Pushed by hand. */
  override _read(): void {}

  // deno-lint-ignore no-explicit-any
  override write(bytes: any, ...rest: any[]): boolean {
    this.#send(bytes, rest.at(-1) ?? (() => {}));
    return true;
  }
}

type WriteDone = (error?: Error) => void;

/** One TLS record, which is what node:tls decrypts at a time. */
const RECEIVE_BYTES = 16 * 1024;

/** Three records: node:tls encrypts at most these at a time. */
const WRITE_BYTES = 48 * 1024;

/** An error that `isGone`, for a write that node:tls gave up. */
function gone(cause: Error): Error {
  return new Deno.errors.ConnectionAborted("The connection was lost", { cause });
}
