import { writeAll } from "../../src/platform/net.ts";
import { fromLatin1, toLatin1 } from "../../src/resp/bytes.ts";
import { decodeFrame, itemsOf, textOf } from "../../src/resp/frame.ts";
import { NO_STOPS, ReplyScanner } from "../../src/resp/reply_scanner.ts";
import { bulk } from "./frames.ts";
import { TcpPeer } from "./peer.ts";

/** A node that answers from a table, for clusters that no real server forms. */
export class AnsweringNode extends TcpPeer {
  /** Replies by request in upper case, or by the first words of one. */
  answers: Readonly<Record<string, string>> = {};
  /** All requests so far, in capitals. */
  readonly asked: string[] = [];

  protected override async talk(connection: Deno.TcpConn): Promise<void> {
    for await (const request of requestsOf(connection)) {
      this.asked.push(request);
      await writeAll(connection, fromLatin1(this.#answer(request)));
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

async function* requestsOf(connection: Deno.TcpConn): AsyncGenerator<string> {
  const scanner = new ReplyScanner();
  const chunk = new Uint8Array(16 * 1024);
  let text = "";
  for (let read; (read = await connection.read(chunk)) !== null;) {
    for (let at = 0; at < read;) {
      const end = scanner.advance(chunk, at, read, 1, NO_STOPS);
      text += toLatin1(chunk.subarray(at, end));
      at = end;
      if (scanner.frames === 0) continue;
      yield itemsOf(decodeFrame(fromLatin1(text)))!.map(textOf).join(" ").toUpperCase();
      text = "";
    }
  }
}
