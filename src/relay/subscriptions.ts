import type { ExpectedReply, SubscribeWord } from "../commands/expected_reply.ts";
import { Byte } from "../resp/bytes.ts";
import type { FrameHead } from "./frame_head.ts";

const SUBSCRIBE_WORDS: ReadonlySet<string> = new Set<SubscribeWord>([
  "subscribe",
  "psubscribe",
  "ssubscribe",
  "unsubscribe",
  "punsubscribe",
  "sunsubscribe",
]);

/** Whether a frame that begins with this word confirms a subscription or its end. */
export function isSubscribeWord(word: string): word is SubscribeWord {
  return SUBSCRIBE_WORDS.has(word);
}

/** Whether a reply consists of confirmations with this word. */
export function answersSubscription(
  reply: ExpectedReply | undefined,
  word: SubscribeWord,
): boolean {
  return reply?.type === "subscription" && reply.word === word;
}

/** Whether an array has the form of a message to a RESP2 subscriber (pubsub.c `addReplyPubsub…`). */
export function isMessage({ type, word, count }: FrameHead): boolean {
  if (type !== Byte.array || !MESSAGE_WORDS.has(word)) return false;
  return count === (word === "pmessage" ? 4 : 3);
}

const MESSAGE_WORDS: ReadonlySet<string> = new Set(["message", "pmessage", "smessage"]);

/** How many channels a connection is subscribed to, as the confirmations tell (pubsub.c). */
export class Subscriptions {
  #channels = 0;
  #patterns = 0;
  #shardChannels = 0;

  /** All kinds together; a RESP2 connection with any is restricted to what has to do with them. */
  get total(): number {
    return this.#channels + this.#patterns + this.#shardChannels;
  }

  /** Those that a node may end on its own. */
  get shardChannels(): number {
    return this.#shardChannels;
  }

  /** How many a command without arguments would end. */
  endedBy(word: SubscribeWord): number {
    if (word === "unsubscribe") return this.#channels;
    return word === "punsubscribe" ? this.#patterns : this.#shardChannels;
  }

  /** Takes over the count that ends a confirmation: channels and patterns, or shard channels. */
  confirm(word: SubscribeWord, count: number): void {
    switch (word) {
      case "subscribe":
      case "unsubscribe":
        this.#channels = count - this.#patterns;
        break;
      case "psubscribe":
      case "punsubscribe":
        this.#patterns = count - this.#channels;
        break;
      default:
        this.#shardChannels = count;
    }
  }

  /** All are over. */
  clear(): void {
    this.#channels = this.#patterns = this.#shardChannels = 0;
  }
}
