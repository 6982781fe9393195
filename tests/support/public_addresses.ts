import { assertEquals } from "@std/assert";
import type { NodeRef } from "../../src/cluster/node_ref.ts";
import { fromLatin1, toLatin1 } from "../../src/resp/bytes.ts";
import { decodeFrame, encodeFrame } from "../../src/resp/frame.ts";
import type { PublicAddresses, Rewriter } from "../../src/rewrite/public_addresses.ts";
import { frames } from "./notation.ts";

/**
 * What cases name: node ids and the public host, or a public name and IP address. A is the node that
 * sends the frames of the tests, D is not known, F stands for an id that is made up, and G is a node
 * without an address.
 */
const TEXTS = {
  A: "a".repeat(40),
  B: "b".repeat(40),
  C: "c".repeat(40),
  D: "d".repeat(40),
  F: "f".repeat(40),
  G: "9".repeat(40),
  HOST: "127.0.0.1",
  NAME: "nat.example",
  ADDR: "203.0.113.7",
};

export const { A, B, C, G } = TEXTS;

const PORTS_BY_ID: Record<string, number> = { [A]: 8000, [B]: 8001, [C]: 8002, [G]: 8006 };

const PORTS_BY_ADDRESS: Record<string, number> = {
  "10.0.0.1:7000": 8000,
  "10.0.0.1:7100": 8000,
  "node-a.internal:7000": 8000,
  "10.0.0.2:7001": 8001,
  "10.0.0.2:7101": 8001,
  "node-b.internal:7001": 8001,
  "fd00::3:7002": 8002,
  "::1:7002": 8002,
  "node-c.internal:7002": 8002,
};

const CLIENTS: Record<string, string> = {
  "10.0.0.99:40001": "198.51.100.7:50001",
  "[fd00::99]:40002": "[2001:db8::7]:50002",
};

/** Fixed public addresses of three nodes and of two clients of the proxy. */
export class FixedAddresses implements PublicAddresses {
  readonly host: string;
  readonly ip: string;
  readonly addsHostnames: boolean;
  readonly ownId = A;
  readonly ownPort = 8000;
  /** The node references that were resolved, in order. */
  readonly refs: NodeRef[] = [];

  /** @param ip the public IP address, if that and `host` are different */
  constructor(host: string = TEXTS.HOST, ip?: string, addsHostnames = ip !== undefined) {
    this.host = host;
    this.ip = ip ?? host;
    this.addsHostnames = addsHostnames;
  }

  /** Where the public host is a name, and a public IP address stands beside it. */
  static named(addsHostnames = true): FixedAddresses {
    return new FixedAddresses(TEXTS.NAME, TEXTS.ADDR, addsHostnames);
  }

  portOf(ref: NodeRef): number | undefined {
    this.refs.push(ref);
    if (ref.id !== undefined) {
      return PORTS_BY_ID[ref.id] ?? (ref.own ? this.ownPort : undefined);
    }
    const known = PORTS_BY_ADDRESS[`${ref.host}:${ref.port}`];
    if (known !== undefined || ref.slot !== 3999) return known;
    return ref.asking ? 8002 : 8001;
  }

  clientAt(upstream: string): string | undefined {
    return CLIENTS[upstream];
  }
}

/** The bytes of a rewritten frame, as texts with one character a byte. */
export function rewritten(
  wire: string,
  rewrite: Rewriter,
  addresses: PublicAddresses = new FixedAddresses(),
): string {
  return toLatin1(encodeFrame(rewrite(decodeFrame(fromLatin1(wire)), addresses)));
}

/** Both sides of a case: in its text, `{old→new}` stands for what a rewriter changes. */
export function sidesOf(text: string): [before: string, after: string] {
  const named = text.replaceAll(
    /\b([ABCDFG]|HOST|NAME|ADDR)\b/g,
    (name) => TEXTS[name as keyof typeof TEXTS],
  );
  const side = (group: string) => named.replaceAll(/\{([^{}→]*)→([^{}→]*)\}/g, group);
  return [side("$1"), side("$2")];
}

/** Checks a rewriter with a case in the notation of `frames`, and returns the resolved nodes. */
export function assertRewritten(
  rewrite: Rewriter,
  text: string,
  at: string | FixedAddresses = TEXTS.HOST,
): NodeRef[] {
  const addresses = typeof at === "string" ? new FixedAddresses(at) : at;
  const [before, after] = sidesOf(text);
  assertEquals(rewritten(frames(before), rewrite, addresses), frames(after), text);
  return addresses.refs;
}
