import { traffic } from "../platform/log.ts";
import { toLatin1 } from "../resp/bytes.ts";

/** Shows the traffic of one session, readable and escaped, without the secrets in it. */
export class TrafficLog {
  readonly #connection: number;
  readonly #node: string;

  /** @param node the private address of the session's node, as text */
  constructor(connection: number, node: string) {
    this.#connection = connection;
    this.#node = node;
  }

  /** Shows what a client sent, with the ranges [from, to) in `hidden` left out. */
  request(bytes: Uint8Array, hidden: readonly number[]): void {
    let text = "";
    let at = 0;
    for (let index = 0; index < hidden.length; index += 2) {
      text += escape(bytes.subarray(at, hidden[index])) + HIDDEN;
      at = hidden[index + 1]!;
    }
    this.#show("->", text + escape(bytes.subarray(at)));
  }

  /** Shows what the node sent and the client gets, with the addresses that the client gets. */
  reply(bytes: Uint8Array): void {
    this.#show("<-", escape(bytes));
  }

  /** Shows that the client gets something that is nobody else's business. */
  secretReply(length: number): void {
    this.#show("<-", `${HIDDEN} (${length} bytes)`);
  }

  /** Shows what the node sent and what the client gets instead. */
  rewritten(original: Uint8Array, translated: Uint8Array): void {
    this.#show("<-", `${escape(translated)} (the node sent ${escape(original)})`);
  }

  #show(direction: string, text: string): void {
    traffic.info("client {connection} {direction} node {node} {text}", {
      connection: this.#connection,
      direction,
      node: this.#node,
      text,
    });
  }
}

const HIDDEN = "***";

/** Printable ASCII as it is, all other bytes as in a string literal. */
function escape(bytes: Uint8Array): string {
  return toLatin1(bytes).replace(/[^ -[\]-~]/g, (char) => {
    switch (char) {
      case "\r":
        return "\\r";
      case "\n":
        return "\\n";
      case "\\":
        return "\\\\";
      default:
        return `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`;
    }
  });
}
