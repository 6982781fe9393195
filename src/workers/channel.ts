import { NoPublicPortError } from "../nat/no_public_port_error.ts";

/** One end of a message port: a `Worker`, or a worker's global scope. */
export interface ChannelPort {
  postMessage(message: unknown): void;
  onmessage: ((event: MessageEvent) => void) | null;
}

/** The messages in one direction: by type, the payload and what the other side replies. */
export type Messages = Record<string, { readonly payload: unknown; readonly reply: unknown }>;

/** Handles each type of message that one side receives. */
export type Handlers<Received extends Messages> = {
  readonly [Type in keyof Received]: (
    payload: Received[Type]["payload"],
  ) => Received[Type]["reply"] | Promise<Received[Type]["reply"]>;
};

type Envelope =
  | { readonly type: string; readonly payload: unknown; readonly requestId: number | undefined }
  | { readonly replyTo: number; readonly value: unknown }
  | { readonly replyTo: number; readonly failure: Failure };

/** An error; its class is lost when it is posted. */
interface Failure {
  readonly message: string;
  readonly stack: string | undefined;
  readonly isNoPublicPort: boolean;
}

/**
 * One end of the channel between the main thread and a worker. Messages keep their order: when a
 * reply has arrived, everything posted before it was handled.
 */
export class Channel<Sent extends Messages, Received extends Messages> {
  readonly #port: ChannelPort;
  readonly #handlers: Handlers<Received>;
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>();
  #lastRequestId = 0;
  /** Why the channel is closed. */
  #closed: Error | undefined;

  constructor(port: ChannelPort, handlers: Handlers<Received>) {
    this.#port = port;
    this.#handlers = handlers;
    port.onmessage = ({ data }) => this.#receive(data);
  }

  /** Whether the channel is closed, because the other side has ended. */
  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  /** Sends a message that needs no reply. */
  notify<Type extends keyof Sent & string>(type: Type, payload: Sent[Type]["payload"]): void {
    if (this.#closed === undefined) this.#post({ type, payload, requestId: undefined });
  }

  /**
   * Sends a message and waits for the reply.
   *
   * @throws {NoPublicPortError} if the handler throws one, and an Error for all other failures
   */
  request<Type extends keyof Sent & string>(
    type: Type,
    payload: Sent[Type]["payload"],
  ): Promise<Sent[Type]["reply"]> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const requestId = ++this.#lastRequestId;
    const replied = Promise.withResolvers<unknown>();
    this.#pending.set(requestId, replied);
    this.#post({ type, payload, requestId });
    return replied.promise as Promise<Sent[Type]["reply"]>;
  }

  /** Closes the channel after the other side has ended; pending requests fail with `error`. */
  close(error: Error): void {
    this.#closed ??= error;
    for (const { reject } of this.#pending.values()) reject(this.#closed);
    this.#pending.clear();
  }

  #post(envelope: Envelope): void {
    this.#port.postMessage(envelope);
  }

  #receive(envelope: Envelope): void {
    if ("type" in envelope) {
      this.#handle(envelope.type, envelope.payload, envelope.requestId);
      return;
    }
    const replied = this.#pending.get(envelope.replyTo);
    this.#pending.delete(envelope.replyTo);
    if ("failure" in envelope) replied?.reject(errorOf(envelope.failure));
    else replied?.resolve(envelope.value);
  }

  async #handle(
    type: keyof Received,
    payload: unknown,
    requestId: number | undefined,
  ): Promise<void> {
    try {
      // A handler that is not async is not awaited, so it is done before the next message.
      const reply = this.#handlers[type]!(payload);
      const value = reply instanceof Promise ? await reply : reply;
      if (requestId !== undefined) this.#post({ replyTo: requestId, value });
    } catch (error) {
      // The failure of a notification is reported in this thread.
      if (requestId === undefined) throw error;
      this.#post({ replyTo: requestId, failure: failureOf(error) });
    }
  }
}

function failureOf(error: unknown): Failure {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { message, stack, isNoPublicPort: error instanceof NoPublicPortError };
}

function errorOf({ message, stack, isNoPublicPort }: Failure): Error {
  const error = isNoPublicPort ? new NoPublicPortError(message) : new Error(message);
  return stack === undefined ? error : Object.assign(error, { stack });
}
