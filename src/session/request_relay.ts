import { type ByteSink, type ByteSource, writeAll } from "../net.ts";
import { RequestScanner, type RequestSink } from "../resp/requests.ts";
import { COMMANDS, type NotedCommand } from "./commands.ts";
import type { Echo } from "./echo.ts";
import type { PendingReplies } from "./pending.ts";
import { mayBeDropped, Replies, type Reply } from "./replies.ts";

/** What a request relay works with. */
export interface RequestRelayOptions {
  /** Read by the relay alone. */
  readonly client: ByteSource;
  /** Written by the relay alone. */
  readonly upstream: ByteSink;
  readonly pending: PendingReplies;
  /** The size of the read buffer. */
  readonly bufferBytes: number;
  readonly echo: Echo | undefined;
}

/**
 * An AUTH is answered at once, or when a module has asked somewhere else; one that is not was
 * dropped by the node.
 */
const AUTH_TIMEOUT_MS = 10_000;

/**
 * Carries what a client sends to its node, unchanged, and notes what each request will make the
 * node send before the last byte of the request is on its way.
 *
 * The last byte of an AUTH among other requests waits until all replies before it have come, and
 * what is behind it waits for its own: so a node answers it in any case (see `mayBeDropped`).
 */
export class RequestRelay implements RequestSink<NotedCommand> {
  readonly #options: RequestRelayOptions;
  /** What the request behind which the scanner has paused will make the node send. */
  #paused: Reply | undefined;

  constructor(options: RequestRelayOptions) {
    this.#options = options;
  }

  /**
   * Relays until the client ends its side.
   *
   * @throws {PairingError} when its requests cannot be followed
   */
  async run(): Promise<void> {
    const { client, pending, bufferBytes } = this.#options;
    const scanner = new RequestScanner(COMMANDS, this);
    const buffer = new Uint8Array(bufferBytes);
    for (;;) {
      const read = await client.read(buffer);
      if (read === null) return;
      let at = 0;
      let sent = 0;
      while (at < read) {
        at = scanner.advance(buffer, at, read);
        if (this.#paused !== undefined) {
          await this.#forward(buffer.subarray(sent, at - 1), scanner.hidden, sent);
          await pending.settled();
          pending.expect(this.#paused);
          this.#paused = undefined;
          await this.#forward(buffer.subarray(at - 1, at), [], at);
          await pending.settled(AUTH_TIMEOUT_MS);
        } else await this.#forward(buffer.subarray(sent, at), scanner.hidden, sent);
        sent = at;
      }
    }
  }

  /** A request that gets one frame, whatever it is. */
  plain(): void {
    this.#options.pending.expect(Replies.plain);
  }

  /** A request whose reply needs attention. */
  known(command: NotedCommand, argv: readonly string[], argc: number): void {
    const { pending } = this.#options;
    const reply = command.reply(argv, argc);
    if (mayBeDropped(reply) && !pending.isQuiet) this.#paused = reply;
    else pending.expect(reply);
  }

  /** A request without words. */
  empty(): void {
    this.#options.pending.expect(Replies.empty);
  }

  /** Bytes that are no request. */
  broken(): void {
    this.#options.pending.expect(Replies.protocolError);
  }

  /** Sends bytes; `secrets` tells what an echo hides, in positions that count from `-offset`. */
  async #forward(bytes: Uint8Array, secrets: readonly number[], offset: number): Promise<void> {
    if (bytes.length === 0) return;
    this.#options.echo?.request(bytes, secrets.map((at) => at - offset));
    await writeAll(this.#options.upstream, bytes);
  }
}
