import { type ByteSink, type ByteSource, writeAll } from "../net.ts";
import { RequestScanner, type RequestSink } from "../resp/requests.ts";
import { COMMANDS, type NotedCommand } from "./commands.ts";
import type { Echo } from "./echo.ts";
import type { PendingReplies } from "./pending.ts";
import { Replies } from "./replies.ts";

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
 * Carries what a client sends to its node, unchanged, and notes what each request will make the
 * node send before the last byte of the request is on its way.
 */
export class RequestRelay implements RequestSink<NotedCommand> {
  readonly #options: RequestRelayOptions;

  constructor(options: RequestRelayOptions) {
    this.#options = options;
  }

  /** Relays until the client ends its side. */
  async run(): Promise<void> {
    const { client, upstream, echo } = this.#options;
    const scanner = new RequestScanner(COMMANDS, this);
    const buffer = new Uint8Array(this.#options.bufferBytes);
    for (;;) {
      const read = await client.read(buffer);
      if (read === null) break;
      scanner.advance(buffer, 0, read);
      const bytes = buffer.subarray(0, read);
      echo?.request(bytes, scanner.hidden);
      await writeAll(upstream, bytes);
    }
  }

  /** A request that gets one frame, whatever it is. */
  plain(): void {
    this.#options.pending.expect(Replies.plain);
  }

  /** A request whose reply needs attention. */
  known(command: NotedCommand, argv: readonly string[], argc: number): void {
    this.#options.pending.expect(command.reply(argv, argc));
  }

  /** A request without words. */
  empty(): void {
    this.#options.pending.expect(Replies.empty);
  }

  /** Bytes that are no request. */
  broken(): void {
    this.#options.pending.expect(Replies.protocolError);
  }
}
