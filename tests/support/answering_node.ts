import { fromLatin1 } from "../../src/resp/bytes.ts";
import { decodeFrame, itemsOf, textOf } from "../../src/resp/frame.ts";
import { bulk } from "./frames.ts";
import { TcpPeer } from "./peer.ts";
import type { TestConnection } from "./tls.ts";
import { WireClient } from "./wire.ts";

/** Longer than any test; the connection ends sooner. */
const CONNECTION_MS = 600_000;

/** A node that answers from a table, for clusters that no real server forms. */
export class AnsweringNode extends TcpPeer {
  /** Replies by request in upper case, or by the first words of one. */
  answers: Readonly<Record<string, string>> = {};
  /** All requests so far, in capitals. */
  readonly asked: string[] = [];

  protected override async talk(connection: TestConnection): Promise<void> {
    const client = new WireClient(connection);
    for (;;) {
      const [frame] = await client.readFrames(1, CONNECTION_MS);
      const request = itemsOf(decodeFrame(fromLatin1(frame!)))!.map(textOf).join(" ").toUpperCase();
      this.asked.push(request);
      await client.send(this.#answer(request));
    }
  }

  #answer(request: string): string {
    const known = Object.keys(this.answers).filter((words) =>
      request === words || request.startsWith(`${words} `)
    );
    const [longest] = known.toSorted((a, b) => b.length - a.length);
    return longest === undefined ? "-ERR unknown command\r\n" : this.answers[longest]!;
  }
}

/** The replies of a working node to the proxy's own queries, given its lines of CLUSTER NODES. */
export function viewAnswers(lines: readonly string[]): Record<string, string> {
  return {
    "CLUSTER NODES": bulk(lines.map((line) => `${line}\n`).join("")),
    "CLUSTER INFO": bulk("cluster_state:ok\r\n"),
    "PING": "+PONG\r\n",
  };
}
