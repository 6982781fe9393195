import type { ExpectedReply, SubscribeCommand } from "../commands/expected_reply.ts";
import { Byte } from "../resp/bytes.ts";
import type { FrameHead } from "./frame_head.ts";

const SUBSCRIBE_COMMANDS: ReadonlySet<string> = new Set<SubscribeCommand>([
  "subscribe",
  "psubscribe",
  "ssubscribe",
  "unsubscribe",
  "punsubscribe",
  "sunsubscribe",
]);

/** Whether a text is the name of a subscribe command, with which each confirmation begins. */
export function isSubscribeCommand(text: string): text is SubscribeCommand {
  return SUBSCRIBE_COMMANDS.has(text);
}

/** Whether a reply consists of confirmations of this command. */
export function answersSubscription(
  reply: ExpectedReply | undefined,
  command: SubscribeCommand,
): boolean {
  return reply?.type === "subscription" && reply.command === command;
}

/** Whether an array has the form of a message for RESP2 (pubsub.c `addReplyPubsub…`). */
export function isMessage({ type, first, count }: FrameHead): boolean {
  if (type !== Byte.array || !MESSAGE_TYPES.has(first)) return false;
  return count === (first === "pmessage" ? 4 : 3);
}

const MESSAGE_TYPES: ReadonlySet<string> = new Set(["message", "pmessage", "smessage"]);

/** Counts the subscriptions of a connection from its confirmations (pubsub.c). */
export class Subscriptions {
  #channels = 0;
  #patterns = 0;
  #shardChannels = 0;

  /** All subscriptions. A RESP2 connection that has any may send only a few commands. */
  get total(): number {
    return this.#channels + this.#patterns + this.#shardChannels;
  }

  /** Shard channels, whose subscriptions a node may end unrequested. */
  get shardChannels(): number {
    return this.#shardChannels;
  }

  /** How many subscriptions a command without arguments ends. */
  endedBy(command: SubscribeCommand): number {
    if (command === "unsubscribe") return this.#channels;
    return command === "punsubscribe" ? this.#patterns : this.#shardChannels;
  }

  /** Records a confirmation that ends with `count`: channels and patterns, or shard channels. */
  confirm(command: SubscribeCommand, count: number): void {
    switch (command) {
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

  /** Removes all subscriptions. */
  clear(): void {
    this.#channels = this.#patterns = this.#shardChannels = 0;
  }
}
