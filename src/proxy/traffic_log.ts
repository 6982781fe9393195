import type { NatEntry } from "../nat/nat_table.ts";
import { formatHostPort } from "../platform/address.ts";
import { traffic } from "../platform/log.ts";
import type { TrafficLog } from "../relay/relay_context.ts";
import { toLatin1 } from "../resp/bytes.ts";

/** Logs the traffic of one session, readable and escaped, without the secrets in it. */
export class SessionTrafficLog implements TrafficLog {
  readonly #clientId: number;
  readonly #node: NatEntry;

  constructor(clientId: number, node: NatEntry) {
    this.#clientId = clientId;
    this.#node = node;
  }

  /** Shows what a client sent, without the ranges [from, to) that `hidden` lists in pairs. */
  request(bytes: Uint8Array, hidden: readonly number[]): void {
    let text = "";
    let at = 0;
    for (let index = 0; index < hidden.length; index += 2) {
      text += escape(bytes.subarray(at, hidden[index])) + HIDDEN;
      at = hidden[index + 1]!;
    }
    this.#show("->", text + escape(bytes.subarray(at)));
  }

  /** Shows what the node sent and the client gets unchanged. */
  reply(bytes: Uint8Array): void {
    this.#show("<-", escape(bytes));
  }

  /** Shows that the client gets a reply of `length` bytes which holds a secret. */
  secretReply(length: number): void {
    this.#show("<-", `${HIDDEN} (${length} bytes)`);
  }

  /** Shows what the node sent and what the client gets instead. */
  rewritten(original: Uint8Array, rewritten: Uint8Array): void {
    this.#show("<-", `${escape(rewritten)} (the node sent ${escape(original)})`);
  }

  #show(direction: string, text: string): void {
    traffic.info("client {client_id} {direction} node {node_addr} {text}", {
      client_id: this.#clientId,
      direction,
      node_id: this.#node.id,
      node_addr: formatHostPort(this.#node.address),
      text,
    });
  }
}

const HIDDEN = "***";

/** Escapes all bytes but printable ASCII, as in a string literal. */
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
