import { createSocket } from "node:dgram";

/**
 * A name server of a few names, as Docker has one in every container: `name_server.ts ADDRESS
 * NAME=IPV4...` answers at port 53 of an address, and prints a line when it does. Ends on SIGTERM.
 */
const [address, ...entries] = Deno.args;
const known = new Map(entries.map((entry) => entry.split("=") as [string, string]));

/** RFC 1035, 4.1.1: a header of 12 bytes, whose flags are at 2, and whose counts begin at 4. */
const HEADER_BYTES = 12;
const RESPONSE = 0x8180;
const NAME_ERROR = 3;
const TYPE_A = 1;
const TTL_S = 60;

const socket = createSocket("udp4");
socket.on("message", (query, { address, port }) => socket.send(answer(query), port, address));
socket.bind(53, address, () => console.log("ready"));
Deno.addSignalListener("SIGTERM", () => Deno.exit());

function answer(query: Uint8Array): Uint8Array {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length; (length = query[at]!) > 0; at += 1 + length) {
    labels.push(new TextDecoder().decode(query.subarray(at + 1, at + 1 + length)));
  }
  // The question ends with its type and its class, two bytes each, behind the empty label.
  const question = query.subarray(HEADER_BYTES, at + 5);
  const ipv4 = known.get(labels.join(".").toLowerCase());
  const records = ipv4 !== undefined && query[at + 2] === TYPE_A ? [record(ipv4)] : [];
  const header = new Uint8Array(HEADER_BYTES);
  header.set(query.subarray(0, 2));
  const view = new DataView(header.buffer);
  view.setUint16(2, RESPONSE | (ipv4 === undefined ? NAME_ERROR : 0));
  view.setUint16(4, 1);
  view.setUint16(6, records.length);
  return new Uint8Array([header, question, ...records].flatMap((part) => [...part]));
}

/** The address of the name that stands in the question. */
function record(ipv4: string): Uint8Array {
  const bytes = new Uint8Array(12 + 4);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0xc000 | HEADER_BYTES);
  view.setUint16(2, TYPE_A);
  view.setUint16(4, 1);
  view.setUint32(6, TTL_S);
  view.setUint16(10, 4);
  bytes.set(ipv4.split(".").map(Number), 12);
  return bytes;
}
