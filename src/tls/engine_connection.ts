import { close, type Connection, writeAll, writeRest } from "../platform/net.ts";
import { createEngine, type Engine, type EngineClass } from "./engine.ts";
import type { PeerCertificates, Side, TlsConnection } from "./side.ts";

/** TLS by the runtime's engine, see `Engine`. One read and any number of writes may be pending. */
export class EngineConnection implements TlsConnection {
  readonly #tcp: Connection;
  readonly #side: Side;
  readonly #engine: Engine;
  readonly #own = new Uint8Array(OWN_BYTES);
  /** What the wire is read into: `#own`, or a large one while the wire has more than that. */
  #buffer: Uint8Array<ArrayBuffer> = this.#own;
  #wasRead = false;
  #isSecure = false;

  /** The caller's buffer while the engine decrypts, and how much of it is filled. */
  #target: Uint8Array = NOTHING;
  #filled = 0;
  /** Plaintext that the caller's buffer had no room for. */
  #rest: Uint8Array = NOTHING;
  /** How many bytes of plaintext the engine has handed over. */
  #taken = 0;
  #hasEnded = false;

  /** The write of the wire that is pending, and whether the engine has more for it. */
  #sending: Promise<void> | undefined;
  #hasMore = false;
  #endOfWrites: Promise<void> | undefined;
  /** Why neither direction goes on. */
  #failure: unknown;

  /** @throws {TlsError} if the side's material cannot be used; the connection is the caller's then */
  constructor(connection: Connection, side: Side, Engine: EngineClass) {
    this.#tcp = connection;
    this.#side = side;
    let engine: Engine;
    try {
      engine = createEngine(Engine, side.start);
    } catch (error) {
      throw side.errorOf(error as Error, false);
    }
    this.#engine = engine;
    engine.onread = () => this.#takePlaintext();
    engine.onhandshakestart = () => {};
    engine.onhandshakedone = () => {
      this.#isSecure = true;
    };
    engine.onerror = (error) => {
      this.#failure ??= side.errorOf(error, this.#isSecure);
    };
    engine.attachJsStream();
    engine.setHandle(engine);
    engine.useUserBuffer(plaintext);
    engine.readStart();
  }

  get localAddr(): Deno.NetAddr {
    return this.#tcp.localAddr;
  }

  get remoteAddr(): Deno.NetAddr {
    return this.#tcp.remoteAddr;
  }

  get peerCertificates(): PeerCertificates {
    return {
      chain: this.#engine.getPeerCertificateChain()?.certificates ?? [],
      problem: this.#engine.verifyError() || undefined,
    };
  }

  async handshake(): Promise<void> {
    this.#engine.start();
    this.#sendUnattended();
    try {
      while (!this.#isSecure) {
        this.#receive(await this.#tcp.read(this.#buffer), NOTHING);
        // An alert that came right before the end says more.
        if (this.#failure !== undefined) throw this.#failure;
        if (this.#hasEnded && !this.#isSecure) throw this.#side.endError();
      }
    } catch (error) {
      throw this.#failure ?? error;
    }
  }

  /** One function, because every additional promise costs measurable CPU time. */
  async read(buffer: Uint8Array): Promise<number | null> {
    if (this.#rest.length > 0) return this.#takeRest(buffer);
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#hasEnded) return null;
      let count: number | null;
      try {
        count = await this.#tcp.read(this.#buffer);
      } catch (error) {
        throw this.#failure ?? error;
      }
      this.#receive(count, buffer);
      if (this.#filled > 0) return this.#filled;
    }
  }

  /** Bytes are borrowed for the call: all that are taken are encrypted by then. */
  async write(bytes: Uint8Array): Promise<number> {
    if (this.#failure !== undefined) throw this.#failure;
    // The engine would take the bytes, and lose them.
    if (this.#endOfWrites !== undefined) {
      throw new Deno.errors.BrokenPipe("The writable side has ended");
    }
    const part = bytes.length <= WRITE_BYTES ? bytes : bytes.subarray(0, WRITE_BYTES);
    if (part.length === 0) return 0;
    this.#engine.writeBuffer(NO_REQUEST, part);
    await this.#send();
    return part.length;
  }

  closeWrite(): Promise<void> {
    return this.#endOfWrites ??= this.#endWrites();
  }

  async #endWrites(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#engine.shutdown(NO_REQUEST);
    await this.#send();
    await this.#tcp.closeWrite();
  }

  fail(reason: unknown): void {
    this.#failure ??= reason;
    // With it end a read and a write that are pending.
    close(this.#tcp);
  }

  close(): void {
    this.#rest = NOTHING;
    this.fail(new Deno.errors.BadResource("The connection is closed"));
    // Otherwise the engine, which holds itself, would never be freed.
    this.#engine.destroySsl();
  }

  /** Takes what was read of the wire: plaintext goes to `target`, what does not fit to `#rest`. */
  #receive(count: number | null, target: Uint8Array): void {
    this.#filled = 0;
    if (this.#failure !== undefined) throw this.#failure;
    if (count === null) {
      // Maybe without close_notify: RESP tells whether something is missing.
      this.#hasEnded = true;
      return;
    }
    const bytes = this.#buffer.subarray(0, count);
    if (!this.#isSecure) this.#watch(bytes);
    this.#target = target;
    this.#engine.receive(bytes);
    this.#target = NOTHING;
    this.#fitBuffer(count);
    if (this.#failure !== undefined && this.#sending !== undefined) {
      // No alert can be sent, and the write that is pending must end.
      close(this.#tcp);
    } else if (this.#filled === 0) {
      // An alert, the next step of a handshake, or the answer to an update of keys. Together with
      // plaintext there can only be such an answer, which then goes with the next write.
      this.#sendUnattended();
    }
  }

  #watch(received: Uint8Array): void {
    if (!this.#wasRead && !this.#side.isTls(received[0]!)) {
      throw this.#failure = this.#side.plainError();
    }
    this.#wasRead = true;
    this.#side.watcher?.received(received);
  }

  /** Takes what the engine has put into `plaintext`: at most that buffer, or the end. */
  #takePlaintext(): void {
    // The engine does not say how much it is.
    const length = Math.min(this.#engine.getBytesRead() - this.#taken, plaintext.length);
    if (length === 0) {
      this.#hasEnded = true;
      return;
    }
    this.#taken += length;
    const fits = Math.min(length, this.#target.length - this.#filled);
    this.#target.set(plaintext.subarray(0, fits), this.#filled);
    this.#filled += fits;
    if (fits < length) this.#keep(plaintext.subarray(fits, length));
  }

  #keep(bytes: Uint8Array): void {
    const rest = new Uint8Array(this.#rest.length + bytes.length);
    rest.set(this.#rest);
    rest.set(bytes, this.#rest.length);
    this.#rest = rest;
  }

  #takeRest(buffer: Uint8Array): number {
    const length = Math.min(this.#rest.length, buffer.length);
    buffer.set(this.#rest.subarray(0, length));
    // Free the bytes that were read.
    this.#rest = length === this.#rest.length ? NOTHING : this.#rest.subarray(length);
    return length;
  }

  /** Chooses the buffer of the next read. */
  #fitBuffer(count: number): void {
    const isFull = count === this.#buffer.length;
    if (isFull && this.#buffer === this.#own) {
      this.#buffer = idleLargeBuffers.pop() ?? new Uint8Array(LARGE_BYTES);
    } else if (!isFull && this.#buffer !== this.#own) {
      if (idleLargeBuffers.length < MAX_IDLE_LARGE_BUFFERS) idleLargeBuffers.push(this.#buffer);
      this.#buffer = this.#own;
    }
  }

  /** A peer that reads nothing must not stop reads, and they find out when it is gone. */
  #sendUnattended(): void {
    this.#send().catch(() => {});
  }

  /** Writes what the engine has for the wire; resolves when the wire has taken all of it. */
  #send(): Promise<void> {
    if (this.#sending !== undefined) {
      this.#hasMore = true;
      return this.#sending;
    }
    const bytes = this.#engine.drainEncOut();
    if (bytes.length === 0) return NOTHING_TO_SEND;
    if (!this.#isSecure) this.#side.watcher?.sent(bytes);
    return this.#sending = this.#tcp.write(bytes).then((written) => {
      if (written < bytes.length || this.#hasMore) return this.#sendRest(bytes, written);
      free(bytes);
      this.#sending = undefined;
      return undefined;
    }, (error) => {
      this.#sending = undefined;
      throw this.#failure ?? error;
    });
  }

  async #sendRest(bytes: Uint8Array<ArrayBuffer>, written: number): Promise<void> {
    try {
      await writeRest(this.#tcp, bytes, written);
      free(bytes);
      while (this.#hasMore) {
        this.#hasMore = false;
        const more = this.#engine.drainEncOut();
        await writeAll(this.#tcp, more);
        free(more);
      }
    } catch (error) {
      throw this.#failure ?? error;
    } finally {
      this.#sending = undefined;
    }
  }
}

/**
 * Frees what the engine has made for the wire, once it is sent. The collector would leave 100 MiB
 * of it, because it does not see how large these buffers are.
 */
function free({ buffer }: Uint8Array<ArrayBuffer>): void {
  if (buffer.byteLength >= LARGE_WRITE_BYTES) buffer.transfer(0);
}

/** A record of TLS has at most 16 KiB and its header; idle connections touch only the first page. */
const OWN_BYTES = 16 * 1024;

/** Large values cost less system calls with it; four records. */
const LARGE_BYTES = 64 * 1024;

const idleLargeBuffers: Uint8Array<ArrayBuffer>[] = [];

/** 1 MiB in each thread. */
const MAX_IDLE_LARGE_BUFFERS = 16;

/** Plaintext of all connections: it is copied out before the engine returns. */
const plaintext = new Uint8Array(64 * 1024);

/** The engine keeps back more than this until the next read. */
const WRITE_BYTES = 48 * 1024;

/** Smaller buffers are cheaper to collect. */
const LARGE_WRITE_BYTES = 16 * 1024;

/** Nobody is called when the engine has taken a write. */
const NO_REQUEST = {};

const NOTHING = new Uint8Array(0);
const NOTHING_TO_SEND = Promise.resolve();
