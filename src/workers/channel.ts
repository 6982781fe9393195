import { NoPublicPortError } from "../nat/nat_table.ts";

/** What a line needs of the worker at its other end, or in it of the worker's own scope. */
export interface ChannelPort {
  postMessage(message: unknown): void;
  onmessage: ((event: MessageEvent) => void) | null;
}

/** What may be said on a line: by the type of a message what is in it, and what the answer is. */
export type Messages = Record<string, { readonly said: unknown; readonly answer: unknown }>;

/** What one side of a line does when it hears something: for each type of message. */
export type Handlers<Heard extends Messages> = {
  readonly [Type in keyof Heard]: (
    said: Heard[Type]["said"],
  ) => Heard[Type]["answer"] | Promise<Heard[Type]["answer"]>;
};

type Message =
  | { readonly type: string; readonly said: unknown; readonly question: number | undefined }
  | { readonly answers: number; readonly value: unknown }
  | { readonly answers: number; readonly failure: Failure };

/** Errors lose their class on the way. */
interface Failure {
  readonly message: string;
  readonly stack: string | undefined;
  readonly unmapped: boolean;
}

/**
 * One end of the line between two threads. Everything on it keeps its order: what was said before
 * an answer was given has been heard when the answer is there.
 */
export class Channel<Said extends Messages, Heard extends Messages> {
  readonly #port: ChannelPort;
  readonly #hearing: Handlers<Heard>;
  readonly #questions = new Map<number, PromiseWithResolvers<unknown>>();
  #asked = 0;
  /** Why nobody is at the other end. */
  #lost: Error | undefined;

  constructor(port: ChannelPort, hearing: Handlers<Heard>) {
    this.#port = port;
    this.#hearing = hearing;
    port.onmessage = ({ data }) => this.#hear(data);
  }

  /** Whether nobody is at the other end any more. */
  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  /** Says something that needs no answer. */
  notify<Type extends keyof Said & string>(type: Type, said: Said[Type]["said"]): void {
    if (this.#lost === undefined) this.#post({ type, said, question: undefined });
  }

  /**
   * Says something and waits for the answer.
   *
   * @throws {NoPublicPortError} where the other side does, and an Error for what else goes wrong there
   */
  request<Type extends keyof Said & string>(
    type: Type,
    said: Said[Type]["said"],
  ): Promise<Said[Type]["answer"]> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    const question = ++this.#asked;
    const answered = Promise.withResolvers<unknown>();
    this.#questions.set(question, answered);
    this.#post({ type, said, question });
    return answered.promise as Promise<Said[Type]["answer"]>;
  }

  /** Nobody is at the other end any more: who waits for an answer gets this error. */
  close(error: Error): void {
    this.#lost ??= error;
    for (const { reject } of this.#questions.values()) reject(this.#lost);
    this.#questions.clear();
  }

  #post(message: Message): void {
    this.#port.postMessage(message);
  }

  #hear(message: Message): void {
    if ("type" in message) {
      this.#answer(message.type, message.said, message.question);
      return;
    }
    const answered = this.#questions.get(message.answers);
    this.#questions.delete(message.answers);
    if ("failure" in message) answered?.reject(errorOf(message.failure));
    else answered?.resolve(message.value);
  }

  async #answer(type: keyof Heard, said: unknown, question: number | undefined): Promise<void> {
    try {
      // Without a wait in between where there is none: what is told is done when this returns.
      const answer = this.#hearing[type]!(said);
      const value = answer instanceof Promise ? await answer : answer;
      if (question !== undefined) this.#post({ answers: question, value });
    } catch (error) {
      // What goes wrong with what needs no answer is for this thread to report.
      if (question === undefined) throw error;
      this.#post({ answers: question, failure: failureOf(error) });
    }
  }
}

function failureOf(error: unknown): Failure {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { message, stack, unmapped: error instanceof NoPublicPortError };
}

function errorOf({ message, stack, unmapped }: Failure): Error {
  const error = unmapped ? new NoPublicPortError(message) : new Error(message);
  return stack === undefined ? error : Object.assign(error, { stack });
}
