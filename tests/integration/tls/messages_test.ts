import { assert, assertEquals, assertMatch } from "@std/assert";
import { RedisCluster } from "../../support/cluster.ts";
import {
  type CertificateOptions,
  daysFromNow,
  TestCertificate,
} from "../../support/certificate.ts";
import { type LoneServer, startLoneServer } from "../../support/lone_server.ts";
import { NatProcess, runNat } from "../../support/nat_process.ts";
import { run } from "../../support/program.ts";
import { TemporaryDirectory } from "../../support/temporary.ts";
import { within } from "../../support/until.ts";

/** The first mistake that cannot be waited out ends the start; only a silent node takes 3 s. */
const START_DEADLINE_MS = 15_000;

const AT = "127.0.0.1";

/** The certificates, by the name of their files; all but one are of the CA in `ca.crt`. */
const CERTIFICATES: Readonly<Record<string, CertificateOptions>> = {
  good: {},
  expired: { notBefore: daysFromNow(-3), notAfter: daysFromNow(-2) },
  early: { notBefore: daysFromNow(1) },
  elsewhere: { names: ["redis.internal"] },
  nameless: { names: [], subject: AT },
  old: { version: 1 },
  "for-clients": { usages: ["clientAuth"] },
  "for-servers": { usages: ["serverAuth"] },
};

/** Writes the certificates, and those of a stranger, whose CA has the same name. */
async function makeFiles(): Promise<TemporaryDirectory> {
  const directory = await TemporaryDirectory.create();
  const [ca, stranger] = [TestCertificate.root(), TestCertificate.root()];
  const other = TestCertificate.root({ subject: "another root" });
  const write = async (name: string, { identity: { certificates, key } }: TestCertificate) => {
    await Deno.writeTextFile(directory.at(`${name}.crt`), certificates);
    await Deno.writeTextFile(directory.at(`${name}.key`), key, { mode: 0o600 });
  };
  await Deno.writeTextFile(directory.at("ca.crt"), ca.pem);
  await Deno.writeTextFile(directory.at("other-ca.crt"), other.pem);
  for (const [name, options] of Object.entries(CERTIFICATES)) {
    await write(name, ca.issue({ names: [AT, "localhost"], ...options }));
  }
  await write("namesake", stranger.issue());
  await write("stranger", other.issue({ names: [AT] }));
  await write("self-signed", TestCertificate.selfSigned({ names: [AT] }));
  return directory;
}

/** A mistake in front of a node: its certificate, the flags, and the line that explains it. */
type Mistake = readonly [node: string, flags: string, line: RegExp];

const OWN = "--cluster-tls-cert-file=good.crt --cluster-tls-key-file=good.key";
const CA = "--cluster-tls-ca-cert-file=ca.crt";
const TLS = `--cluster-addr=rediss://TLS ${CA}`;
const WANTED = /The node wants a certificate: set --cluster-tls-cert-file and --cluster-tls-key/;
const REFUSED = /The node refuses the proxy's certificate .*: set --cluster-tls-cert-file to one/;
const UNKNOWN = /not signed by a known CA: set --cluster-tls-ca-cert-file to the CA's file/;

const AT_THE_START: Readonly<Record<string, Mistake>> = {
  "TLS to a port for plain text": [
    "good",
    `--cluster-addr=rediss://PLAIN ${CA} ${OWN}`,
    /does not speak TLS on this port: set its TLS port in --cluster-addr, or leave out --cluster-tl/,
  ],
  "plain text to a port for TLS": [
    "good",
    "--cluster-addr=redis://TLS",
    /speaks TLS on this port: add --cluster-tls, or write rediss:\/\/ in --cluster-addr/,
  ],
  "no CA": ["good", `--cluster-addr=rediss://TLS ${OWN}`, UNKNOWN],
  "another CA": [
    "good",
    `--cluster-addr=rediss://TLS --cluster-tls-ca-cert-file=other-ca.crt ${OWN}`,
    UNKNOWN,
  ],
  "a node of another CA": ["stranger", `${TLS} ${OWN}`, UNKNOWN],
  "a node that signed itself": ["self-signed", `${TLS} ${OWN}`, UNKNOWN],
  "no certificate": ["good", TLS, WANTED],
  "no certificate, with TLS 1.2": ["good", `${TLS} --cluster-tls-verify=chain`, WANTED],
  "a certificate of another CA": ["good", ownFlags("stranger"), REFUSED],
  "a certificate of another CA of the same name": ["good", ownFlags("namesake"), REFUSED],
  "a certificate that has expired": ["good", ownFlags("expired"), REFUSED],
  "a certificate for servers only": ["good", ownFlags("for-servers"), REFUSED],
  "a node with a certificate that has expired": ["expired", `${TLS} ${OWN}`, /has expired: renew/],
  "a node with a certificate that is not valid yet": [
    "early",
    `${TLS} ${OWN}`,
    /is not valid yet: check the clocks/,
  ],
  "a node of another name": [
    "elsewhere",
    `${TLS} ${OWN}`,
    /not for 127.0.0.1, but for redis.internal: set --cluster-tls-server-name to a name in it, or/,
  ],
  "a server name that is wrong": [
    "good",
    `${TLS} ${OWN} --cluster-tls-server-name=redis.internal`,
    /not for redis.internal, but for localhost, 127.0.0.1: set --cluster-tls-server-name/,
  ],
  "a node with a common name only": [
    "nameless",
    `${TLS} ${OWN}`,
    /for no name, only a subject: set .*, or --cluster-tls-verify chain/,
  ],
  "a node with a certificate of version 1": [
    "old",
    `${TLS} ${OWN}`,
    /of X.509 version 1: issue it .*, or set --cluster-tls-verify chain/,
  ],
  "a node with a certificate for clients": [
    "for-clients",
    `${TLS} ${OWN}`,
    /not for this usage: issue it with extendedKeyUsage serverAuth/,
  ],
  "a node that speaks TLS 1.3 only": [
    "good TLSv1.3",
    `${TLS} ${OWN} --cluster-tls-verify=chain`,
    /no version .*: allow TLSv1.2, which --cluster-tls-verify chain needs, in .* tls-protocols/,
  ],
};

/** Mistakes that need no node. */
const BEFORE: Readonly<Record<string, readonly [flags: string, line: RegExp]>> = {
  "the key of another certificate": [
    `${TLS} --cluster-tls-cert-file=good.crt --cluster-tls-key-file=early.key`,
    /^redis-cluster-nat: Cannot use --cluster-tls-key-file '.*early.key': it is not the key of/,
  ],
  "no key": [
    `${TLS} --cluster-tls-cert-file=good.crt`,
    /^redis-cluster-nat: Cannot use --cluster-tls-cert-file .*; add --cluster-tls-key-file/,
  ],
  "no such file": [
    `${TLS} --tls-cert-file=none.crt --tls-key-file=good.key`,
    /^redis-cluster-nat: Cannot read the file of --tls-cert-file: No such file/,
  ],
  "a key for a certificate": [
    `${TLS} --tls-cert-file=good.key --tls-key-file=good.key`,
    /^redis-cluster-nat: Cannot use --tls-cert-file '.*good.key': there is no certificate/i,
  ],
  "a CA without TLS": [
    `--cluster-addr=TLS ${CA}`,
    /^redis-cluster-nat: Cannot use --cluster-tls-ca-cert-file .*: TLS to nodes is off; add --clus/,
  ],
  "TLS for some nodes": [
    `--cluster-addr=rediss://TLS,redis://PLAIN ${CA}`,
    /^redis-cluster-nat: Cannot use both redis:\/\/ and rediss:\/\/ in --cluster-addr/,
  ],
};

function ownFlags(name: string): string {
  return `${TLS} --cluster-tls-cert-file=${name}.crt --cluster-tls-key-file=${name}.key`;
}

/** Runs the check of a start with the flags, in which TLS and PLAIN are ports and files are names. */
async function check(directory: TemporaryDirectory, flags: string, server?: LoneServer) {
  const args = flags.replace(/\bTLS\b/, `${AT}:${server?.tlsPort ?? 1}`)
    .replace(/\bPLAIN\b/, `${AT}:${server?.port ?? 1}`)
    .replaceAll(/(?<==)[\w-]+\.(crt|key)/g, (name) => directory.at(name));
  const flagsOfAll = ["--check", `--listen-addr=${AT}:0`];
  const ending = runNat([...flagsOfAll, ...args.split(" ")]);
  const { code, stderr } = await within("end", ending, START_DEADLINE_MS);
  // The log is no part of the answer: it may warn of an own certificate that has expired, and a node
  // may once reset the connection before its alert arrives.
  const lines = stderr.trimEnd().split("\n").filter((line) => !/^\d+-.* (WARN|INFO) /.test(line));
  assertEquals(lines.length, 1, stderr);
  return { code, line: lines[0]! };
}

Deno.test("a start with a mistake in TLS ends soon, with one line that names the option", async (t) => {
  await using directory = await makeFiles();
  const groups = Map.groupBy(Object.entries(AT_THE_START), ([, [node]]) => node);
  for (const [node, mistakes] of groups) {
    const [name, protocols] = node.split(" ");
    await using server = await startLoneServer([
      ...["--tls-ca-cert-file", directory.at("ca.crt")],
      ...["--tls-cert-file", directory.at(`${name}.crt`)],
      ...["--tls-key-file", directory.at(`${name}.key`)],
      ...protocols === undefined ? [] : ["--tls-protocols", protocols],
    ]);
    for (const [name, [, flags, expected]] of mistakes) {
      await t.step(name, async () => {
        const { code, line } = await check(directory, flags, server);
        assertMatch(line, expected);
        assertMatch(line, /^redis-cluster-nat: (Cannot speak TLS with node|Node) 127.0.0.1:\d+/);
        assertEquals(code, 1);
      });
    }
  }
  for (const [name, [flags, expected]] of Object.entries(BEFORE)) {
    await t.step(name, async () => {
      const { code, line } = await check(directory, flags);
      assertMatch(line, expected);
      assertEquals(code, 2);
    });
  }
});

/** The mistakes of a client of a port for TLS, as options of redis-cli, and the line in the log. */
const OF_CLIENTS: Readonly<Record<string, readonly [options: string, line: RegExp]>> = {
  "plain text to a port for TLS": ["", /The client does not speak TLS: set tls in the client/],
  "no certificate": [
    "--tls --cacert ca.crt",
    /The client has shown no certificate: give it one, or set --tls-auth-clients optional/,
  ],
  "a certificate of another CA": [
    "--tls --cacert ca.crt --cert stranger.crt --key stranger.key",
    /The client's certificate is not signed by a known CA: set --tls-ca-cert-file/,
  ],
  "a certificate that has expired": [
    "--tls --cacert ca.crt --cert expired.crt --key expired.key",
    /The client's certificate, or its CA's, has expired: renew it/,
  ],
  "a certificate for servers only": [
    "--tls --cacert ca.crt --cert for-servers.crt --key for-servers.key",
    /The client's certificate, .* is not for this usage: issue it with extendedKeyUsage clientAuth/,
  ],
  "a client with another CA": [
    "--tls --cacert other-ca.crt --cert good.crt --key good.key",
    /The client refused the proxy's certificate .*: give the client the CA of --tls-cert-file/,
  ],
};

Deno.test("a mistake of a client in TLS is a warning that names the option", async (t) => {
  await using directory = await makeFiles();
  await using cluster = await RedisCluster.start({ primaries: 1, replicasEach: 0 });
  const [node] = cluster.nodes;
  const ping = (nat: NatProcess, options: string) => {
    const files = options.replaceAll(/[\w-]+\.(crt|key)/g, (name) => directory.at(name));
    const cli = ["redis-cli", "-h", AT, "-p", `${nat.portOf(node!)}`, ...files.split(" ")];
    return run([...cli.filter(Boolean), "PING"]);
  };
  await using secure = await NatProcess.serve(node!, [
    ...[
      `--tls-cert-file=${directory.at("good.crt")}`,
      `--tls-key-file=${directory.at("good.key")}`,
    ],
    `--tls-ca-cert-file=${directory.at("ca.crt")}`,
  ]);
  for (const [name, [options, line]] of Object.entries(OF_CLIENTS)) {
    await t.step(name, async () => {
      const { output } = await ping(secure, options);
      assert(!output.includes("PONG"), output);
      await secure.untilLogged(new RegExp(`WARN .*Closing client .*${line.source}`));
    });
  }
  await t.step("TLS to a port for plain text", async () => {
    await using plain = await NatProcess.serve(node!);
    // The client is told at once: a server would let it wait.
    const { output } = await ping(plain, "--tls --cacert ca.crt");
    assert(!output.includes("PONG"), output);
    await plain.untilLogged(/WARN .*the client speaks TLS, but this port does not; set --tls-cert/);
  });
});

Deno.test("a node that changes its certificate for a wrong one is a warning", async () => {
  await using directory = await makeFiles();
  await using cluster = await RedisCluster.start({ tls: "both", primaries: 1, replicasEach: 0 });
  const [node] = cluster.nodes;
  const { files } = cluster.certificates;
  await using nat = await NatProcess.serve({ host: node!.host, port: node!.tlsPort! }, [
    ...["--cluster-tls", `--cluster-tls-ca-cert-file=${files["tls-ca-cert-file"]}`],
    `--cluster-tls-cert-file=${files["tls-cert-file"]}`,
    `--cluster-tls-key-file=${files["tls-key-file"]}`,
  ]);
  const setting = (name: string) => [`tls-${name}-file`, directory.at(`stranger.${name}`)];
  await Deno.copyFile(directory.at("stranger.crt"), directory.at("stranger.cert"));
  await node!.order("CONFIG", "SET", ...setting("cert"), ...setting("key"));
  const port = `${nat.portOf({ host: node!.host, port: node!.tlsPort! })}`;
  const { output } = await run(["redis-cli", "-h", AT, "-p", port, "PING"]);
  assert(!output.includes("PONG"), output);
  await nat.untilLogged(/WARN .*not signed by a known CA: set --cluster-tls-ca-cert-file/);
});
