import { assert, assertEquals, assertMatch } from "@std/assert";
import { textOf } from "../../src/resp/frame.ts";
import { RedisCluster } from "../support/cluster.ts";
import { namedInSlots } from "../support/named_nodes.ts";
import { findFreePorts } from "../support/ports.ts";
import { startLoneServer } from "../support/lone_server.ts";
import { type NatOptions, NatProcess, runNat } from "../support/nat_process.ts";
import { TemporaryDirectory } from "../support/temporary.ts";
import { assertTooMany } from "../support/refusal.ts";
import { TLS, withTls } from "../support/tls.ts";
import { unless } from "../support/unless.ts";
import { until } from "../support/until.ts";
import { wire, WireClient } from "../support/wire.ts";

/** Anything may be listening there or nothing; a command line that is refused never connects. */
const ANYWHERE = "--cluster-addr=127.0.0.1:7000";

/** No program listens on it: tcpmux, which no machine runs by default. */
const DEAD = "127.0.0.1:1";

/** Enough to resolve a name on a busy machine. */
const SHORT_START = "--start-timeout=2s";

const PASSWORD = "s3cret-Of-The-Cluster";

/** Runs a program whose stdout is full. */
const TO_FULL_DISK = ["sh", "-c", 'exec "$@" > /dev/full', "sh"];

/** Runs the program, which must fail with a message, and print only `stdout`. */
async function assertFails(
  args: readonly string[],
  message: RegExp,
  { status = 1, stdout = "", ...options }: NatOptions & { status?: number; stdout?: string } = {},
): Promise<void> {
  const ending = await runNat(args, options);
  assertMatch(ending.stderr, message);
  assertEquals([ending.code, ending.stdout], [status, stdout], ending.stderr);
}

/** One of each kind; tests/unit/cli has all. */
const INVALID: [name: string, args: string[], env: Record<string, string>, names: RegExp][] = [
  ["no cluster", [], {}, /--cluster-addr.*CLUSTER_ADDR.*host:port/],
  ["an unknown flag", [ANYWHERE, "--max_nodes=3"], {}, /did you mean --max-nodes/],
  ["an argument that is no flag", [ANYWHERE, "serve"], {}, /--cluster-addr.*quotes/],
  ["a value in Go's form", [ANYWHERE, "-listenAddr", ":65536"], {}, /65535.*--listen-addr.*:8000/],
  ["an invalid variable", [ANYWHERE], { DEBUG: "redis:*" }, /DEBUG.*true.*false/],
  ["a missing file", [ANYWHERE, "--password-file=/no/such/file"], {}, /--password-file.*no\/such/],
  ["a value with line breaks", [ANYWHERE, "--max-nodes=1\n2\n"], {}, /--max-nodes '1\\n2\\n'/],
  ["a URL", [`--cluster-addr=redis://:${PASSWORD}@a:7000/1`], {}, /path.*--cluster-addr/],
];

Deno.test("an invalid option prints one line and exits with 2", async (t) => {
  for (const [name, args, env, names] of INVALID) {
    await t.step(name, async () => {
      const { code, stdout, stderr } = await runNat(args, { env });
      assertMatch(stderr, /^redis-cluster-nat: [^\n]+\n$/);
      assertMatch(stderr, names);
      assert(!stderr.includes(PASSWORD), stderr);
      assertEquals([code, stdout], [2, ""]);
    });
  }
});

Deno.test("--help and --version print to stdout and need no cluster", async () => {
  const [help, version] = await Promise.all([runNat(["--help"]), runNat(["-version"])]);
  assertMatch(
    help.stdout,
    /^Makes a whole Redis Cluster .*\n\nUsage: redis-cluster-nat \[server\] \[options\]\n/,
  );
  assertMatch(help.stdout, /--cluster-addr HOST.*\n(.*\n)*.*CLUSTER_ADDR/);
  assertEquals([help.code, help.stderr], [0, ""]);
  assertMatch(version.stdout, /^redis-cluster-nat \d+\.\d+\.\d+\n$/);
  assertEquals([version.code, version.stderr], [0, ""]);
});

Deno.test("the program against a cluster", async (t) => {
  await using cluster = await RedisCluster.start({ replicasEach: 0 });
  const [first, second, third] = cluster.nodes.map(({ address }) => address);
  const seed = `--cluster-addr=${first}`;
  const elsewhere = "--listen-addr=127.0.0.1:0";

  /** The output of redisClusterProxy. */
  function mapping(host: string, port: number): string {
    return [first, second, third].map((address, index) =>
      `Listening on: ${host}:${port + index} proxy to: ${address}\n`
    ).join("");
  }

  await t.step("--check prints the mapping, changes nothing and exits with 0", async () => {
    const port = findFreePorts(3);
    await using directory = await TemporaryDirectory.create();
    const { code, stdout, stderr } = await runNat([
      "--check",
      seed,
      `--listen-addr=:${port}`,
      "--public-host=nat.example",
      `--state-file=${directory.at("state.json")}`,
      `--map-file=${directory.at("map.json")}`,
    ]);
    assertEquals([code, stdout, stderr], [0, mapping("", port), ""]);
    assertEquals(await directory.read(), {});
  });

  await t.step("--check exits with 1 where a start would, with the same error", async () => {
    const port = findFreePorts(3);
    const taken = findFreePorts(3);
    using _taken = Deno.listen({ hostname: "127.0.0.1", port: taken + 1 });
    const last = (host: string, port: number) => `${host}:${port}: .*--listen-addr[^\n]*`;
    const failures: [flags: string[], mapping: string, message: string][] = [
      ...["127.0.0.1", ""].map((host): [string[], string, string] => [
        [`--listen-addr=${host}:${taken}`],
        mapping(host, taken),
        `Cannot listen on ${last(host, taken + 1)}`,
      ]),
      [
        ["--listen-addr=192.0.2.1:8000"],
        mapping("192.0.2.1", 8000),
        `Cannot listen on ${last("192.0.2.1", 8000)}`,
      ],
      [
        [`--listen-addr=:${port}`, "--map-file=/no/such/map.json"],
        mapping("", port),
        "Cannot write the file '/no/such/map.json': [^\n]*",
      ],
    ];
    for (const [flags, mapped, message] of failures) {
      for (const [check, stdout] of [["--check", mapped], ["--check=false", ""]] as const) {
        const args = [check, seed, ...flags, "--max-nodes=3", "--public-host=nat.example"];
        await assertFails(args, new RegExp(`^redis-cluster-nat: ${message}\n$`), { stdout });
      }
    }
  });

  await t.step("--check exits with 1 where no node answers", async () => {
    const args = ["--check", `--cluster-addr=${DEAD}`, SHORT_START];
    await assertFails(
      args,
      /\nredis-cluster-nat: Node 127\.0\.0\.1:1 refuses.*--start-timeout\)\n$/,
    );
  });

  await t.step("--check exits with 1 with too few ports, and names the option", async () => {
    const message =
      `redis-cluster-nat: No port is left for node ${third}: raise --max-nodes above 2`;
    const args = ["--check", seed, "--max-nodes=2", "--public-host=127.0.0.1"];
    await assertFails(args, new RegExp(`^${message}\n$`, "m"));
  });

  await t.step("stdout has the lines of redisClusterProxy, in the order of ports", async () => {
    const port = findFreePorts(64);
    // The seed is the last node, so that the order is not that of the answers.
    await using nat = new NatProcess([`--cluster-addr=${third}`, `--listen-addr=:${port}`]);
    await nat.ready();
    assertMatch(nat.stderr, /Advertising all nodes as 127\.0\.0\.1; .*--public-host/);
    nat.signal("SIGTERM");
    const { code, stdout } = await nat.ended();
    assertEquals([code, stdout], [0, mapping("", port)]);
  });

  const port = findFreePorts(64);
  const goFlags = ["-listenAddr", `127.0.0.1:${port}`, `-clusterAddr=${first}`];
  const goSettings = ["-publicHost", "nat.example", "--numberOfBuffers", "2"];
  const ways: [name: string, args: string[], env: Record<string, string>, logged: RegExp[]][] = [
    [
      "the flags of redisClusterProxy work after the subcommand server",
      ["server", ...goFlags, ...goSettings, "-readBufferByteSize", "1024", "-debug"],
      {},
      [/ client 1 -> node \S+ .*SLOTS/],
    ],
    [
      "variables set the options that no flag sets",
      [`--listen-addr=127.0.0.1:${port}`, "--log-level=info"],
      {
        CLUSTER_ADDR: first!,
        LISTEN_ADDR: DEAD,
        PUBLIC_HOST: "nat.example",
        MAX_NODES: "3",
        START_TIMEOUT: "5s",
        START_DELAY: "0.01",
        NUM_BUFFERS: "2",
        BUF_SIZE_BYTES: "512",
        DEBUG: "true",
        LOG_LEVEL: "error",
        LOG_FORMAT: "json",
      },
      [/^\{.*"level":"warning","message":"START_DELAY delays/m, /^\{.*client 1 -> node/m],
    ],
  ];
  for (const [name, args, env, logged] of ways) {
    await t.step(name, async () => {
      await using nat = await new NatProcess(args, { env }).ready();
      using client = await WireClient.connect("127.0.0.1", port);
      const named = namedInSlots(await client.ask("CLUSTER", "SLOTS"));
      assertEquals(named.map(({ hosts }) => hosts[0]), Array(3).fill("nat.example"));
      for (const pattern of logged) assertMatch(nat.stderr, pattern);
      await assertTooMany(WireClient.connect("127.0.0.1", port));
      nat.signal("SIGTERM");
      assertEquals((await nat.ended()).stdout, mapping("127.0.0.1", port));
    });
  }

  await t.step({
    name: "a full stdout is logged once, and clients are served",
    ignore: Deno.build.os !== "linux",
    fn: async () => {
      const port = findFreePorts(3);
      const listen = [`--listen-addr=127.0.0.1:${port}`, "--max-nodes=3"];
      await using nat = new NatProcess([seed, ...listen], { before: TO_FULL_DISK });
      await nat.untilLogged(/INFO .*Ready: 3 nodes/);
      const said = nat.stderr.match(/^.*stdout.*$/gm) ?? [];
      assertEquals(said.length, 1, nat.stderr);
      assertMatch(said[0]!, /WARN .*Cannot write to stdout: No space left on device/);
      using client = await WireClient.connect("127.0.0.1", port);
      assertEquals(await client.ask("PING"), { type: "+", text: "PONG" });
      const message = /^redis-cluster-nat: Cannot write to stdout: No space left [^\n]*\n$/;
      for (const args of [["--help"], ["--check", seed, ...listen, "--public-host=nat.example"]]) {
        await assertFails(args, message, { before: TO_FULL_DISK });
      }
    },
  });

  await t.step("localhost is advertised as 127.0.0.1, with a warning", async () => {
    await using nat = await new NatProcess([seed, elsewhere, "--public-host=localhost"]).ready();
    using client = await WireClient.connect("127.0.0.1", nat.mapping.get(second!)!);
    const [named] = namedInSlots(await client.ask("CLUSTER", "SLOTS"));
    assertEquals(named!.hosts[0], "127.0.0.1");
    assertMatch(nat.stderr, /^\S+ WARN .*--public-host 'localhost'.*127\.0\.0\.1/m);
  });

  await t.step("--debug logs requests and replies with direction, client and node", async () => {
    await using nat = await new NatProcess([seed, elsewhere, "--debug", "--log-level=error"])
      .untilMapped(3);
    const [portOfFirst, portOfSecond] = [first, second].map((at) => nat.mapping.get(at!)!);
    using one = await WireClient.connect("127.0.0.1", portOfFirst!);
    await one.ask("SET", "key{b}", "a\x01\\");
    using two = await WireClient.connect("127.0.0.1", portOfSecond!);
    await two.ask("GET", "key{b}");
    const lines = await until("four lines are logged", () => {
      const lines = nat.stderr.trimEnd().split("\n");
      return lines.length >= 4 && lines;
    });
    const request = String.raw`*3\r\n$3\r\nSET\r\n$6\r\nkey{b}\r\n$3\r\na\x01\\\r\n`;
    const moved = (at: string) => String.raw`-MOVED 3300 ${at}\r\n`;
    assertEquals(lines.map((line) => line.replace(/^\S+ \w+ +/, "")), [
      `client 1 -> node ${first} ${request}`,
      String.raw`client 1 <- node ${first} +OK\r\n`,
      String.raw`client 2 -> node ${second} *2\r\n$3\r\nGET\r\n$6\r\nkey{b}\r\n`,
      `client 2 <- node ${second} ${moved(`127.0.0.1:${portOfFirst}`)} ` +
      `(the node sent ${moved(first!)})`,
    ]);
  });

  await t.step("with --log-format json every line is an object, the last error too", async () => {
    const json = "--log-format=json";
    await using nat = await new NatProcess([seed, elsewhere, json, "--debug"]).ready();
    using client = await WireClient.connect("127.0.0.1", nat.mapping.get(first!)!);
    await client.ask("SET", "key{b}", '"\n\u2028');
    nat.signal("SIGTERM");
    const failed = runNat([json, `--cluster-addr=${DEAD}`, SHORT_START]);
    for (const { stderr } of [await nat.ended(), await failed]) {
      for (const line of stderr.trimEnd().split("\n")) {
        const { timestamp, level, message } = JSON.parse(line);
        assertEquals(typeof message, "string", line);
        assertMatch(`${timestamp} ${level}`, /^\d{4}-\d\d-\d\dT\S+Z (debug|info|warning|error)$/);
      }
    }
  });
});

/** What the program waits for when it gets a signal, its log until then, and how it ends. */
const WAITS: [what: string, args: string[], delay: string, logged: RegExp, status: number][] = [
  ["for the cluster", [], "0", /Waiting for the cluster: Node 127\.0\.0\.1:1 refuses/, 0],
  ["during a check", ["--check"], "0", /Waiting for the cluster: Node 127\.0\.0\.1:1 refuses/, 1],
  ["while START_DELAY lasts", [], "3600", /START_DELAY delays/, 0],
];

for (const [what, args, delay, logged, status] of WAITS) {
  Deno.test(`a signal to a program that waits ${what} ends it`, async () => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      const words = [`--cluster-addr=${DEAD}`, "--start-timeout=0", ...args];
      await using nat = new NatProcess(words, { env: { START_DELAY: delay } });
      await nat.untilLogged(logged);
      nat.signal(signal);
      const { code, stdout, stderr } = await nat.ended();
      assertEquals([code, stdout], [status, ""], stderr);
      const message = "\nredis-cluster-nat: The check was stopped before it finished\n";
      assertEquals(stderr.endsWith(message), status === 1, stderr);
    }
  });
}

Deno.test("each fault of the cluster's address has its own message", async (t) => {
  await using server = await startLoneServer();
  const faults: [what: string, addresses: string, message: RegExp][] = [
    [
      "a node that refuses connections",
      DEAD,
      /redis-cluster-nat: Node 127\.0\.0\.1:1 refuses connections: check that it is running/,
    ],
    [
      "no such name",
      "node.invalid",
      /redis-cluster-nat: The name 'node\.invalid' does not resolve/,
    ],
    [
      "each of several seeds",
      `${DEAD},node.invalid`,
      /redis-cluster-nat: Node \S+ refuses .*; The name 'node\.invalid' does not/,
    ],
  ];
  for (const [what, addresses, message] of faults) {
    await t.step(what, async () => {
      await assertFails([`--cluster-addr=${addresses}`, SHORT_START], message);
    });
  }
  await t.step(
    unless(withTls("nodes", "it speaks none"), "a server that is no cluster node", async () => {
      const args = [`--cluster-addr=127.0.0.1:${server.port}`, "--start-timeout=0"];
      await assertFails(
        [...args, "--public-host=127.0.0.1"],
        /^redis-cluster-nat: Node \S+ is not part of a cluster: [^\n]*cluster-enabled[^\n]*\n$/,
      );
    }),
  );
});

const SCHEME = TLS.nodes ? "rediss" : "redis";

Deno.test("passwords", async (t) => {
  await using cluster = await RedisCluster.start({
    primaries: 1,
    replicasEach: 0,
    directives: { requirepass: PASSWORD },
  });
  const node = cluster.nodes[0]!;
  const seed = `--cluster-addr=${node.address}`;
  await node.order("ACL", "SETUSER", "visitor", "on", ">abc", "+@all", "-cluster");
  await using directory = await TemporaryDirectory.create();
  const file = directory.at("password");
  await Deno.writeTextFile(file, `${PASSWORD}\n`);

  const refusals: [what: string, args: string[], message: string][] = [
    ["a missing one", [], "requires a password: .*--password-file"],
    ["a wrong one", ["--password=not-this-one"], "refused .*password: WRONGPASS "],
    [
      "a user without permission",
      ["--username=visitor", "--password=abc"],
      "denies the query to this user: NOPERM ",
    ],
  ];
  for (const [what, args, message] of refusals) {
    await t.step(`${what} exits with 1 at once, and is not shown`, async () => {
      await assertFails(
        [seed, "--start-timeout=0", "--public-host=127.0.0.1", ...args],
        new RegExp(`^redis-cluster-nat: Node \\S+ (?!.*not-this-one)${message}[^\n]*\n$`),
      );
    });
  }

  await t.step("the right one is taken from a file, a flag, a variable or a URL", async () => {
    const ways: [string[], Record<string, string>][] = [
      [[`--password-file=${file}`], {}],
      [["--username", "default", "--password", PASSWORD], {}],
      [[], { CLUSTER_PASSWORD: PASSWORD }],
      [[], { CLUSTER_PASSWORD_FILE: file, CLUSTER_USERNAME: "default" }],
      [[`--cluster-addr=${SCHEME}://:${encodeURIComponent(PASSWORD)}@${node.address}/0`], {}],
      [[`--cluster-addr=${SCHEME}://default@${node.address}`, `--password-file=${file}`], {}],
    ];
    for (const [flags, env] of ways) {
      const args = ["--check", "--debug", "--log-level=debug", seed, "--listen-addr=127.0.0.1:0"];
      const { code, stdout, stderr } = await runNat([...args, ...flags], { env });
      assertEquals([code, stderr.includes(PASSWORD)], [0, false], stderr);
      assertEquals(stdout, `Listening on: 127.0.0.1:0 proxy to: ${node.address}\n`);
    }
  });

  const flags = ["--debug", "--log-level=debug", `--password-file=${file}`];
  await using nat = await NatProcess.serve(node, flags);
  using client = await WireClient.connect("127.0.0.1", nat.portOf(node));

  await t.step("clients authenticate through the relay", async () => {
    assertMatch(textOf(await client.ask("GET", "a"))!, /^NOAUTH /);
    assertMatch(textOf(await client.ask("AUTH", "wrong"))!, /^WRONGPASS /);
    assertEquals(await client.ask("AUTH", PASSWORD), { type: "+", text: "OK" });
  });

  await t.step("a password that a node generates is not logged", async () => {
    const made = textOf(await client.ask("ACL", "GENPASS"))!;
    await nat.untilLogged(/<- node .*\*\*\* \(71 bytes\)/);
    assert(!nat.stderr.includes(made), nat.stderr);
  });

  await t.step("none is logged, in every form that a client may send", async () => {
    let sent = nat.stderr.split("->").length - 1;
    async function send(what: string, piece: string): Promise<void> {
      await client.send(piece);
      sent++;
      await until(`a piece of ${what} is shown`, () => nat.stderr.split("->").length > sent);
    }
    for (const [what, text, replies] of [...SECRETIVE, ...REFUSED]) {
      const refused = REFUSED.some(([other]) => other === what);
      const from = text.indexOf(PASSWORD);
      // Whole, and with a cut in the secret and around it: each piece is shown before the next.
      const cuts = from < 0 ? [] : [from, from + 5, from + PASSWORD.length];
      for (const cut of [text.length, ...cuts]) {
        await send(what, text.slice(0, cut));
        if (cut < text.length) await send(what, text.slice(cut));
        const frames = await client.readFrames(replies);
        for (const frame of frames) {
          assertEquals(frame.startsWith("-"), refused, `${what} answers ${frame}`);
        }
        await send("RESET", wire("RESET") + wire("AUTH", PASSWORD));
        await client.readFrames(2);
      }
      for (const secret of [PASSWORD, PASSWORD.slice(0, 5), PASSWORD.slice(5)]) {
        assert(!nat.stderr.includes(secret), `${what} shows '${secret}': ${nat.stderr}`);
      }
    }
    // Masked values appear as masked, and all others in full.
    const masked = String.raw`-> node \S+ \*2\\r\\n\$4\\r\\nAUTH\\r\\n\$21\\r\\n\*\*\*\\r\\n`;
    for (const shown of [masked, String.raw`<- node \S+ \*\*\* \(\d+ bytes\)`]) {
      assertMatch(nat.stderr, new RegExp(`client 1 ${shown}`));
    }
    assert(!nat.stdout.includes(PASSWORD));
  });
});

/** Requests that carry a password, or get one for an answer, and the number of their replies. */
const SECRETIVE: [what: string, wire: string, replies: number][] = [
  ["AUTH", wire("AUTH", PASSWORD), 1],
  ["AUTH of a user", wire("aUtH", "default", PASSWORD), 1],
  ["inline AUTH", `AUTH ${PASSWORD}\r\n`, 1],
  ["inline AUTH in quotes", `auth "default" "${PASSWORD}"\r\n`, 1],
  ["HELLO", wire("HELLO", "3", "AUTH", "default", PASSWORD), 1],
  ["HELLO with a name", wire("HELLO", "3", "SETNAME", "me", "AUTH", "default", PASSWORD), 1],
  ["CONFIG GET", wire("CONFIG", "GET", "requirepass"), 1],
  ["CONFIG GET of everything in RESP3", wire("HELLO", "3") + wire("CONFIG", "GET", "*"), 2],
  [
    "CONFIG GET in MULTI",
    wire("MULTI") + wire("CONFIG", "GET", "requirepass") + wire("EXEC"),
    3,
  ],
  ["CONFIG SET", wire("CONFIG", "SET", "masterauth", PASSWORD), 1],
  ["ACL SETUSER", wire("ACL", "SETUSER", "bob", "on", `>${PASSWORD}`), 1],
  ["MIGRATE", wire("MIGRATE", "127.0.0.1", "1", "", "0", "9", "AUTH", PASSWORD, "KEYS", "no"), 1],
  ["ACL DRYRUN", wire("ACL", "DRYRUN", "default", "AUTH", PASSWORD), 1],
];

/** Requests that carry one and are refused, maybe with an error that repeats it. */
const REFUSED: typeof SECRETIVE = [
  ["a rule that ACL SETUSER refuses", wire("ACL", "SETUSER", "bob", PASSWORD), 1],
  ["a password that ACL SETUSER does not find", wire("ACL", "SETUSER", "eve", `<${PASSWORD}`), 1],
  ["COMMAND GETKEYS", wire("COMMAND", "GETKEYS", "AUTH", PASSWORD), 1],
  ["MODULE LOADEX", wire("MODULE", "LOADEX", "/x", "CONFIG", "x.password", PASSWORD), 1],
  ["SENTINEL SET, which a node does not know", wire("SENTINEL", "SET", "m", "x", PASSWORD), 1],
];
