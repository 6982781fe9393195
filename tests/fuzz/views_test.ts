import { assert, assertEquals } from "@std/assert";
import type { NatEntry } from "../../src/nat/nat_table.ts";
import { createViews, type PublicView, type PublicViewOptions } from "../../src/nat/public_view.ts";
import { formatHostPort } from "../../src/platform/address.ts";
import type { Rewriter } from "../../src/rewrite/public_addresses.ts";
import { rewriteEchoedArguments } from "../../src/rewrite/replies/echoed_arguments.ts";
import { rewritePush } from "../../src/rewrite/replies/push.ts";
import {
  MIGRATE_ERROR,
  rewriteMigrateError,
  rewriteRedirect,
} from "../../src/rewrite/replies/redirect.ts";
import { REPLY_REWRITERS } from "../../src/rewrite/reply_rewriters.ts";
import { array, bulk, int, map, push, verbatim } from "../support/frames.ts";
import { type Random, seededRandom } from "../support/random.ts";
import { rewriterFor, rewritten } from "../support/session_rewriter.ts";
import { idOf, TableScene } from "../support/views.ts";
import { eachRound } from "./rounds.ts";

// Each view of a proxy has its own hosts and ports. Whatever a node sends, the clients of a view
// are shown addresses of that view only, and these mean the node that they were shown for.

const DIGITS = "abcdef";

/** Ports of listeners and public ports; no other number in a frame is as high. */
const PORTS = { first: 20_000, count: 45_000 };

/** The ports of one range; those of others are elsewhere. */
const RANGE = 40;

/** A node, and every private text that frames have for it. */
interface Node {
  readonly id: string;
  readonly ip: string;
  readonly hostname: string;
  readonly port: number;
}

/** A view, and the address to which its clients connect. */
interface Shown {
  readonly view: PublicView;
  readonly reachedAt: string;
}

function randomNodes(random: Random): Node[] {
  return [...DIGITS].slice(0, 1 + random.int(DIGITS.length)).map((digit, index) => ({
    id: idOf(digit),
    ip: random.chance(0.8) ? `10.0.0.${index + 1}` : `fd00::${index + 1}`,
    hostname: `${digit}.private`,
    port: 7000 + random.int(900),
  }));
}

/** The first ports of as many ranges as are asked for, none of which overlaps another. */
function ranges(random: Random): () => number {
  const left = Array.from(
    { length: Math.floor(PORTS.count / RANGE) },
    (_, index) => PORTS.first + index * RANGE,
  );
  return () => left.splice(random.int(left.length), 1)[0]!;
}

/** Several views with hosts and ports of their own; public ports are in step or listed. */
function randomViews(random: Random): Shown[] {
  const range = ranges(random);
  const options = Array.from({ length: 2 + random.int(3) }, (_, index): PublicViewOptions => {
    const first = range();
    const isName = random.chance(0.5);
    const host = isName ? `view${index}.example` : `192.0.2.${index + 1}`;
    const shifted = range();
    return {
      name: `view${index}`,
      listen: { host: "", port: first },
      publicHost: random.chance(0.2) ? undefined : host,
      publicIp: isName && random.chance(0.3) ? `198.51.100.${index + 1}` : undefined,
      firstPublicPort: random.chance(0.5) ? shifted : undefined,
      publicPorts: random.chance(0.3) ? [{ listen: first + random.int(6), public: range() }] : [],
    };
  });
  const [first, ...otherViews] = options;
  return createViews({ ...first!, otherViews }).map((view, index) => ({
    view,
    reachedAt: random.chance(0.5) ? `203.0.113.${index + 1}` : `2001:db8::${index + 1}`,
  }));
}

/** A table with a row for each node. */
function tableOf(nodes: readonly Node[], { listen }: PublicView, random: Random): TableScene {
  const lines = nodes.map(({ id, ip, hostname, port }, index) =>
    `${id[0]} ${ip}:${port}@${17_000 + index},${hostname} ` +
    `${index === 0 ? "myself,master - 0 0 1 connected 0-5" : "slave - 0 0 1 connected"}`
  );
  const [pinned] = nodes;
  return new TableScene({
    first: listen.port,
    count: DIGITS.length,
    // Outside the range of the others, and so are its public ports.
    staticMappings: random.chance(0.3) ? [{ node: pinned!.id, port: listen.port + RANGE / 2 }] : [],
  }).knowing(lines);
}

/** A frame of a node that names others, and its rewriter. */
type Frame = readonly [name: string, frame: string, rewrite: Rewriter];

/** One frame of each kind, in which `own` is the node that sends it and `other` any node. */
function framesOf(own: Node, nodes: readonly Node[], random: Random): Frame[] {
  const other = random.pick(nodes);
  const hostOf = ({ ip, hostname }: Node) => random.chance(0.5) ? ip : hostname;
  const addressOf = (node: Node) => formatHostPort({ host: hostOf(node), port: node.port });
  const line = ({ id, ip, hostname, port }: Node) =>
    `${id} ${ip}:${port}@17000,${hostname} ${id === own.id ? "myself," : ""}master - 0 0 1 ` +
    "connected 0-5\n";
  const entry = (node: Node) =>
    array(
      ...[bulk(hostOf(node)), int(node.port), bulk(node.id)],
      array(...["ip", node.ip, "hostname", node.hostname].map(bulk)),
    );
  const shardOf = (node: Node) =>
    map(
      ...[bulk("id"), bulk(node.id), bulk("port"), int(node.port), bulk("ip"), bulk(node.ip)],
      ...[bulk("endpoint"), bulk(hostOf(node)), bulk("hostname"), bulk(node.hostname)],
    );
  const text = (lines: string) => random.chance(0.5) ? bulk(lines) : verbatim(lines);
  const { slots, shards, nodes: listing, replicas, role, info, clients } = REPLY_REWRITERS;
  return [
    ["slots", array(...nodes.map((node) => array(int(0), int(5), entry(node)))), slots],
    [
      "shards",
      array(map(bulk("slots"), array(int(0), int(5)), bulk("nodes"), array(...nodes.map(shardOf)))),
      shards,
    ],
    ["nodes", text(nodes.map(line).join("")), listing],
    ["replicas", array(...nodes.map((node) => bulk(line(node)))), replicas],
    [
      "role",
      array(bulk("slave"), bulk(other.ip), int(other.port), bulk("connected"), int(1)),
      role,
    ],
    [
      "info",
      text(
        `tcp_port:${own.port}\r\nmaster_host:${other.ip}\r\nmaster_port:${other.port}\r\n` +
          `slave0:ip=${other.ip},port=${other.port},state=online,offset=1,lag=0\r\n`,
      ),
      info,
    ],
    ["clients", text(`id=1 addr=10.0.0.99:1 laddr=${own.ip}:${own.port} name=\n`), clients],
    ["MOVED", `-MOVED 1 ${addressOf(other)}\r\n`, rewriteRedirect],
    ["ASK", `-ASK 1 ${addressOf(other)}\r\n`, rewriteRedirect],
    ["REDIRECT", `-REDIRECT ${addressOf(other)}\r\n`, rewriteRedirect],
    ["MIGRATE", `-${MIGRATE_ERROR}MOVED 1 ${addressOf(other)}\r\n`, rewriteMigrateError],
    [
      "echo",
      `-ERR Invalid node address specified: ${
        formatHostPort({ host: other.ip, port: other.port })
      }` +
      "\r\n",
      rewriteEchoedArguments,
    ],
    ["MOVING", push(bulk("MOVING"), int(1), int(15), bulk(addressOf(other))), rewritePush],
  ];
}

/** What clients of a view may be shown: hosts, and the public port of each node by its id. */
function allowed({ view, reachedAt }: Shown, rows: readonly NatEntry[]) {
  const { publicHost = reachedAt, publicIp } = view;
  return {
    hosts: [publicHost, ...publicIp === undefined ? [] : [publicIp]],
    ports: new Map(rows.map(({ id, listenPort }) => [id, view.publicPort(listenPort)!])),
  };
}

Deno.test("no frame shows a client an address of another view, or a private one", async () => {
  await eachRound(1, async (seed) => {
    const random = seededRandom(seed);
    const nodes = randomNodes(random);
    const views = randomViews(random);
    const { natTable } = tableOf(nodes, views[0]!.view, random);
    const rows = natTable.nodes;
    assertEquals(rows.length, nodes.length);
    const shownIn = views.map((shown) => allowed(shown, rows));
    for (const [index, shown] of views.entries()) {
      const own = random.pick(nodes);
      const node = natTable.withId(own.id)!;
      const rewriter = rewriterFor({ ...shown, natTable, node });
      const { hosts, ports } = shownIn[index]!;
      const others = shownIn.filter((_, at) => at !== index);
      const forbidden = [
        ...nodes.flatMap(({ ip, hostname }) => [ip, hostname]),
        ...others.flatMap((other) => other.hosts),
      ];
      const foreign = new Set(others.flatMap((other) => [...other.ports.values()]));
      for (const [name, frame, rewrite] of framesOf(own, nodes, random)) {
        const result = await rewritten(rewriter, frame, rewrite);
        const what = `${name} in ${shown.view.name}: ${JSON.stringify(result)}`;
        // Digits after an address would make it another one.
        const named = forbidden.find((host) =>
          new RegExp(`(?<![\\w.:])${host.replaceAll(".", "\\.")}(?![\\w.]|:[\\da-f]*:)`).test(
            result,
          )
        );
        assertEquals(named, undefined, what);
        assert(hosts.some((host) => result.includes(host)), what);
        const numbers = (result.match(/(?<![\w.])\d{5}(?![\w.])/g) ?? []).map(Number)
          .filter((number) => number >= PORTS.first);
        assertEquals(numbers.filter((number) => foreign.has(number)), [], what);
        assert(numbers.every((number) => [...ports.values()].includes(number)), what);
      }
    }
  });
});

Deno.test("an address means its node in the view that shows it, and nothing in others", async () => {
  await eachRound(1, async (seed) => {
    const random = seededRandom(seed);
    const nodes = randomNodes(random);
    const views = randomViews(random);
    const { natTable } = tableOf(nodes, views[0]!.view, random);
    const rows = natTable.nodes;
    for (const [index, shown] of views.entries()) {
      const { hosts, ports } = allowed(shown, rows);
      const { id, address } = random.pick(rows);
      const args = ["FAILOVER", "TO", random.pick(hosts), `${ports.get(id)}`];
      const node = random.pick(rows);
      for (const [at, other] of views.entries()) {
        const rewriter = rewriterFor({ ...other, natTable, node });
        const request = await rewriter.rewriteRequest(args, { at: 2 });
        const expected = at === index
          ? ["FAILOVER", "TO", address.host, `${address.port}`]
          : undefined;
        assertEquals(request, expected, `${args.join(" ")} in ${other.view.name}`);
      }
    }
  });
});
