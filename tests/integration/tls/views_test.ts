import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { copyFileSync } from "node:fs";
import { AnsweringNode, viewAnswers } from "../../support/answering_node.ts";
import { NatProcess, runNat } from "../../support/nat_process.ts";
import { findFreePorts } from "../../support/ports.ts";
import { TlsDirectory } from "../../support/tls_directory.ts";
import { subjectAt } from "../../support/tls_subject.ts";
import { withTls } from "../../support/tls.ts";
import { unless } from "../../support/unless.ts";
import { until } from "../../support/until.ts";
import { idOf } from "../../support/views.ts";
import { wire, WireClient } from "../../support/wire.ts";

const AT = "127.0.0.1";

/** New connections, which reach every thread. */
const CHECKS = 20;

const own = withTls("either", "it has certificates of its own");

/** A node that forms a cluster of its own. */
function loneNode(): AnsweringNode {
  const node = new AnsweringNode();
  const line = `${
    idOf("a")
  } ${node.host}:${node.port}@17000 myself,master - 0 0 1 connected 0-16383`;
  node.answers = viewAnswers([line]);
  return node;
}

/** The options of a proxy with the view `default`, and others after it, each with one port. */
function flagsFor(node: AnsweringNode, names: readonly string[], first: number): string[] {
  return [
    ...[`--cluster-addr=${node.host}:${node.port}`, `--listen-addr=${AT}:${first}`],
    ...["--max-nodes=1", "--threads=2"],
    ...names.map((name, index) => `--view=${name}=${AT}:${first + 1 + index},${AT}`),
  ];
}

Deno.test(unless(own, "each view shows its own certificate, in all threads", async () => {
  await using directory = await TlsDirectory.create("one", "two", "three");
  const ca = directory.read("ca.crt");
  await using node = loneNode();
  const first = findFreePorts(3);
  const flags = [
    ...[...flagsFor(node, ["outside", "other"], first), ...directory.flags("one")],
    `--view-tls=outside=${directory.at("two.crt")},${directory.at("two.key")}`,
  ];
  await using nat = await new NatProcess(flags).ready();
  const subjects = async () => {
    const shown = await Promise.all(
      Array.from({ length: CHECKS * 3 }, (_, index) => subjectAt(first + index % 3, ca)),
    );
    return Array.from({ length: 3 }, (_, at) => {
      return [...new Set(shown.filter((_, index) => index % 3 === at))].join();
    });
  };
  assertEquals(await subjects(), ["one", "two", "one"]);

  for (const kind of ["crt", "key"]) {
    copyFileSync(directory.at(`three.${kind}`), directory.at(`two.${kind}`));
  }
  nat.signal("SIGHUP");
  await until("the view has its new certificate", async (saw) => {
    const shown = await subjects();
    saw(shown);
    return shown[1] === "three";
  });
  assertEquals(await subjects(), ["one", "three", "one"]);
  assertMatch(nat.stderr, /New connections use the changed files of --view-tls outside$/m);
  const health = await runNat(["healthcheck", ...flags]);
  assertEquals([health.code, health.stderr], [0, ""]);
}));

Deno.test(unless(own, "one view may speak TLS and want certificates, and another not", async () => {
  await using directory = await TlsDirectory.create("one");
  const [ca, crt, key] = ["ca.crt", "one.crt", "one.key"].map((name) => directory.at(name));
  await using node = loneNode();
  const first = findFreePorts(2);
  const flags = [...flagsFor(node, ["outside"], first), `--view-tls=outside=${crt},${key},${ca}`];
  await using _nat = await new NatProcess(flags).ready();
  using plain = await WireClient.connectTcp(AT, first);
  assertEquals(await plain.ask("PING"), { type: "+", text: "PONG" });
  const options = { caCerts: [directory.read("ca.crt")], hostname: AT, port: first + 1 };
  const identity = { cert: directory.read("one.crt"), key: directory.read("one.key") };
  const ask = async (tls: Deno.TlsConn) => {
    using connection = tls;
    await connection.write(new TextEncoder().encode(wire("PING")));
    const buffer = new Uint8Array(100);
    return new TextDecoder().decode(buffer.subarray(0, await connection.read(buffer) ?? 0));
  };
  assertEquals(await ask(await Deno.connectTls({ ...options, ...identity })), "+PONG\r\n");
  await assertRejects(async () => {
    const answer = await ask(await Deno.connectTls(options));
    if (answer === "") throw new Error("The connection was closed");
  });
  const health = await runNat(["healthcheck", ...flags]);
  assertEquals([health.code, health.stderr], [0, ""]);
}));
