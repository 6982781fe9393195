import { assert, assertEquals, assertMatch } from "@std/assert";
import { textOf } from "../../src/resp/frame.ts";
import { RedisCluster } from "../support/cluster.ts";
import { namedInSlots } from "../support/named_nodes.ts";
import { findFreePorts } from "../support/ports.ts";
import { NatProcess, runNat } from "../support/nat_process.ts";
import { TemporaryDirectory } from "../support/temporary.ts";
import { until } from "../support/until.ts";
import { wire, WireClient } from "../support/wire.ts";

/** Anything may be listening there or nothing; a command line that is refused never connects. */
const ANYWHERE = "--cluster-addr=127.0.0.1:7000";

/** No program listens on it: tcpmux, which no machine runs by default. */
const DEAD = "127.0.0.1:1";

const PASSWORD = "s3cret-Of-The-Cluster";

/** Runs a program whose stdout is full. */
const TO_FULL_DISK = ["sh", "-c", 'exec "$@" > /dev/full', "sh"];

/** One of each kind; tests/unit/cli has all. */
const INVALID: [name: string, args: string[], env: Record<string, string>, names: RegExp][] = [
  ["no cluster", [], {}, /--cluster-addr.*CLUSTER_ADDR.*host:port/],
  ["an unknown flag", [ANYWHERE, "--max_nodes=3"], {}, /did you mean --max-nodes/],
  ["an argument that is no flag", [ANYWHERE, "serve"], {}, /--cluster-addr.*quotes/],
  [
    "an invalid value in Go's form of a flag",
    [ANYWHERE, "-listenAddr", ":65536"],
    {},
    /65535.*--listen-addr.*:8000/,
  ],
  ["an invalid variable", [ANYWHERE], { DEBUG: "redis:*" }, /DEBUG.*true.*false/],
  ["a missing file", [ANYWHERE, "--password-file=/no/such/file"], {}, /--password-file.*no\/such/],
  ["a value with line breaks", [ANYWHERE, "--max-nodes=1\n2\n"], {}, /--max-nodes '1\\n2\\n'/],
  ["a URL", [`--cluster-addr=redis://:${PASSWORD}@a:7000/1`], {}, /path.*--cluster-addr/],
];

Deno.test("an invalid option prints one line and exits with 2", async (t) => {
  const endings = await Promise.all(INVALID.map(([, args, env]) => runNat(args, { env })));
  for (const [index, [name, , , names]] of INVALID.entries()) {
    await t.step(name, () => {
      const { code, stdout, stderr } = endings[index]!;
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
      [
        [`--listen-addr=127.0.0.1:${taken}`],
        mapping("127.0.0.1", taken),
        `Cannot listen on ${last("127.0.0.1", taken + 1)}`,
      ],
      [
        [`--listen-addr=:${taken}`],
        mapping("", taken),
        `Cannot listen on ${last("", taken + 1)}`,
      ],
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
      for (const check of ["--check", "--check=false"]) {
        const { code, stdout, stderr } = await runNat([
          check,
          seed,
          ...flags,
          "--max-nodes=3",
          "--public-host=nat.example",
        ]);
        assertMatch(stderr, new RegExp(`^redis-cluster-nat: ${message}\n$`));
        assertEquals([code, stdout], [1, check === "--check" ? mapped : ""], stderr);
      }
    }
  });

  await t.step("--check exits with 1 where no node answers", async () => {
    const { code, stdout, stderr } = await runNat([
      "--check",
      `--cluster-addr=${DEAD}`,
      "--start-timeout=300ms",
    ]);
    assertEquals([code, stdout], [1, ""]);
    assertMatch(stderr, /\nredis-cluster-nat: Node 127\.0\.0\.1:1 refuses.*--start-timeout\)\n$/);
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

  await t.step("the flags of redisClusterProxy work after the subcommand server", async () => {
    const port = findFreePorts(64);
    await using nat = new NatProcess([
      "server",
      "-listenAddr",
      `127.0.0.1:${port}`,
      `-clusterAddr=${first}`,
      "-publicHost",
      "nat.example",
      "--numberOfBuffers",
      "2",
      "-readBufferByteSize",
      "1024",
      "-debug",
    ]);
    await nat.ready();
    using client = await WireClient.connect("127.0.0.1", port);
    const named = namedInSlots(await client.ask("CLUSTER", "SLOTS"));
    assertEquals(named.map(({ hosts }) => hosts[0]), Array(3).fill("nat.example"));
    assertMatch(nat.stderr, / client 1 -> node \S+ .*SLOTS/);
    using more = await WireClient.connect("127.0.0.1", port);
    assertEquals(await more.readToEnd(), "-ERR max number of clients reached\r\n");
    nat.signal("SIGTERM");
    assertEquals((await nat.ended()).stdout, mapping("127.0.0.1", port));
  });

  await t.step("variables set the options that no flag sets", async () => {
    const port = findFreePorts(3);
    await using nat = new NatProcess([`--listen-addr=127.0.0.1:${port}`, "--log-level=info"], {
      env: {
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
    });
    await nat.ready();
    assertEquals(nat.stdout, mapping("127.0.0.1", port));
    using client = await WireClient.connect("127.0.0.1", port);
    const [named] = namedInSlots(await client.ask("CLUSTER", "SLOTS"));
    assertEquals(named!.hosts[0], "nat.example");
    assertMatch(nat.stderr, /^\{.*"level":"warning","message":"START_DELAY delays/m);
    assertMatch(nat.stderr, /^\{.*client 1 -> node/m);
    using more = await WireClient.connect("127.0.0.1", port);
    assertEquals(await more.readToEnd(), "-ERR max number of clients reached\r\n");
  });

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
      for (const args of [["--help"], ["--check", seed, ...listen, "--public-host=nat.example"]]) {
        const { code, stderr } = await runNat(args, { before: TO_FULL_DISK });
        assertMatch(stderr, /^redis-cluster-nat: Cannot write to stdout: No space left [^\n]*\n$/);
        assertEquals(code, 1);
      }
    },
  });

  await t.step("localhost is advertised as 127.0.0.1, with a warning", async () => {
    await using nat = new NatProcess([seed, elsewhere, "--public-host=localhost"]);
    await nat.ready();
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
    const failed = runNat([json, `--cluster-addr=${DEAD}`, "--start-timeout=300ms"]);
    for (const { stderr } of [await nat.ended(), await failed]) {
      for (const line of stderr.trimEnd().split("\n")) {
        const { timestamp, level, message } = JSON.parse(line);
        assertEquals(typeof message, "string", line);
        assertMatch(`${timestamp} ${level}`, /^\d{4}-\d\d-\d\dT\S+Z (debug|info|warning|error)$/);
      }
    }
  });
});

Deno.test("a signal during a wait exits with status 0", async (t) => {
  const args = [`--cluster-addr=${DEAD}`, "--start-timeout=0"];
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    await t.step(`${signal} while it waits for the cluster`, async () => {
      await using nat = new NatProcess(args);
      await nat.untilLogged(/Waiting for the cluster: Node 127\.0\.0\.1:1 refuses/);
      nat.signal(signal);
      const { code, stdout } = await nat.ended();
      assertEquals([code, stdout], [0, ""]);
    });
    await t.step(`${signal} during a check, which then has no result`, async () => {
      await using nat = new NatProcess([...args, "--check"]);
      await nat.untilLogged(/Waiting for the cluster: Node 127\.0\.0\.1:1 refuses/);
      nat.signal(signal);
      const { code, stdout, stderr } = await nat.ended();
      assertEquals([code, stdout], [1, ""]);
      assertMatch(stderr, /\nredis-cluster-nat: The check was stopped before it finished\n$/);
    });
    await t.step(`${signal} while START_DELAY lasts`, async () => {
      await using nat = new NatProcess(args, { env: { START_DELAY: "3600" } });
      await nat.untilLogged(/START_DELAY delays/);
      nat.signal(signal);
      const { code, stdout } = await nat.ended();
      assertEquals([code, stdout], [0, ""]);
    });
  }
});

Deno.test("each fault of the cluster's address has its own message", async (t) => {
  const short = "--start-timeout=300ms";
  await t.step("a node that refuses connections", async () => {
    const { code, stderr } = await runNat([`--cluster-addr=${DEAD}`, short]);
    assertMatch(
      stderr,
      /redis-cluster-nat: Node 127\.0\.0\.1:1 refuses connections: check that it is running/,
    );
    assertEquals(code, 1);
  });
  await t.step("a name that does not resolve", async () => {
    const { code, stderr } = await runNat(["--cluster-addr=node.invalid", short]);
    assertMatch(stderr, /redis-cluster-nat: The name 'node\.invalid' does not resolve/);
    assertEquals(code, 1);
  });
  await t.step("a server that is no cluster node, at once", async () => {
    await using server = await Standalone.start();
    const { code, stderr } = await runNat([
      `--cluster-addr=127.0.0.1:${server.port}`,
      "--start-timeout=0",
      "--public-host=127.0.0.1",
    ]);
    assertMatch(stderr, /^redis-cluster-nat: Node \S+ is not part of a cluster: .*cluster-enabled/);
    assertEquals([code, stderr.trimEnd().split("\n").length], [1, 1]);
  });
  await t.step("each of several seeds", async () => {
    const { code, stderr } = await runNat([`--cluster-addr=${DEAD},node.invalid`, short]);
    assertMatch(
      stderr,
      /redis-cluster-nat: Node \S+ refuses .*; The name 'node\.invalid' does not/,
    );
    assertEquals(code, 1);
  });
});

Deno.test("passwords", async (t) => {
  await using cluster = await RedisCluster.start({
    primaries: 1,
    replicasEach: 0,
    directives: { requirepass: PASSWORD },
  });
  const node = cluster.nodes[0]!;
  const seed = `--cluster-addr=${node.address}`;
  const noTimeout = ["--start-timeout=0", "--public-host=127.0.0.1"];
  const elsewhere = "--listen-addr=127.0.0.1:0";
  const file = await Deno.makeTempFile({ prefix: "password-" });
  await Deno.writeTextFile(file, `${PASSWORD}\n`);

  await t.step("a missing one exits with 1 at once", async () => {
    const { code, stdout, stderr } = await runNat([seed, ...noTimeout]);
    assertMatch(
      stderr,
      /^redis-cluster-nat: Node \S+ requires a password: .*--password-file[^\n]*\n$/,
    );
    assertEquals([code, stdout], [1, ""]);
  });

  await t.step("a wrong one exits with 1 at once", async () => {
    const { code, stdout, stderr } = await runNat([
      seed,
      ...noTimeout,
      "--password=not-this-one",
    ]);
    assertMatch(stderr, /^redis-cluster-nat: Node \S+ refused .*password: WRONGPASS [^\n]*\n$/);
    assert(!stderr.includes("not-this-one"), stderr);
    assertEquals([code, stdout], [1, ""]);
  });

  await t.step("a user without permission exits with 1 at once", async () => {
    await node.order("ACL", "SETUSER", "visitor", "on", ">abc", "+@all", "-cluster");
    const user = ["--username=visitor", "--password=abc"];
    const { code, stdout, stderr } = await runNat([seed, ...noTimeout, ...user]);
    assertMatch(
      stderr,
      /^redis-cluster-nat: Node \S+ denies the query to this user: NOPERM [^\n]*\n$/,
    );
    assertEquals([code, stdout], [1, ""]);
  });

  await t.step("the right one is taken from a file, a flag, a variable or a URL", async () => {
    const ways: [string[], Record<string, string>][] = [
      [[`--password-file=${file}`], {}],
      [["--username", "default", "--password", PASSWORD], {}],
      [[], { CLUSTER_PASSWORD: PASSWORD }],
      [[], { CLUSTER_PASSWORD_FILE: file, CLUSTER_USERNAME: "default" }],
      [[`--cluster-addr=redis://:${encodeURIComponent(PASSWORD)}@${node.address}/0`], {}],
      [[`--cluster-addr=redis://default@${node.address}`, `--password-file=${file}`], {}],
    ];
    for (const [flags, env] of ways) {
      const check = ["--check", "--debug", "--log-level=debug", seed, elsewhere];
      const { code, stdout, stderr } = await runNat([...check, ...flags], { env });
      assertEquals([code, stderr.includes(PASSWORD)], [0, false], stderr);
      assertEquals(stdout, `Listening on: 127.0.0.1:0 proxy to: ${node.address}\n`);
    }
  });

  await t.step("clients authenticate through the relay", async () => {
    await using nat = await new NatProcess([seed, elsewhere, `--password-file=${file}`]).ready();
    using client = await WireClient.connect("127.0.0.1", nat.mapping.get(node.address)!);
    assertMatch(textOf(await client.ask("GET", "a"))!, /^NOAUTH /);
    assertMatch(textOf(await client.ask("AUTH", "wrong"))!, /^WRONGPASS /);
    assertEquals(await client.ask("AUTH", PASSWORD), { type: "+", text: "OK" });
  });

  await t.step("a password that a node generates is not logged", async () => {
    const debug = [seed, elsewhere, "--debug", `--password=${PASSWORD}`];
    await using nat = await new NatProcess(debug).ready();
    using client = await WireClient.connect("127.0.0.1", nat.mapping.get(node.address)!);
    await client.ask("AUTH", PASSWORD);
    const made = textOf(await client.ask("ACL", "GENPASS"))!;
    await nat.untilLogged(/<- node .*\*\*\* \(71 bytes\)/);
    assert(!nat.stderr.includes(made), nat.stderr);
  });

  await t.step("none is logged, in every form that a client may send", async () => {
    const flags = ["--debug", "--log-level=debug", `--password=${PASSWORD}`];
    await using nat = await new NatProcess([seed, elsewhere, ...flags]).ready();
    using client = await WireClient.connect("127.0.0.1", nat.mapping.get(node.address)!);
    let sent = 0;
    async function send(what: string, piece: string): Promise<void> {
      await client.send(piece);
      sent++;
      await until(`a piece of ${what} is shown`, () => nat.stderr.split("->").length > sent);
    }
    for (const [what, bytes, replies] of [...SECRETIVE, ...REFUSED]) {
      const refused = REFUSED.some(([other]) => other === what);
      const from = bytes.indexOf(PASSWORD);
      // Whole, and with a cut in the secret and around it: each piece is shown before the next.
      const cuts = from < 0 ? [] : [from, from + 5, from + PASSWORD.length];
      for (const cut of [bytes.length, ...cuts]) {
        await send(what, bytes.slice(0, cut));
        if (cut < bytes.length) await send(what, bytes.slice(cut));
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
    assertMatch(
      nat.stderr,
      /client 1 -> node \S+ \*2\\r\\n\$4\\r\\nAUTH\\r\\n\$21\\r\\n\*\*\*\\r\\n/,
    );
    assertMatch(nat.stderr, /client 1 <- node \S+ \*\*\* \(\d+ bytes\)/);
    assertEquals(nat.stdout.includes(PASSWORD), false);
  });

  await Deno.remove(file);
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
    "CONFIG GET in a transaction",
    wire("MULTI") + wire("CONFIG", "GET", "requirepass") + wire("EXEC"),
    3,
  ],
  ["CONFIG SET", wire("CONFIG", "SET", "masterauth", PASSWORD), 1],
  ["ACL SETUSER", wire("ACL", "SETUSER", "bob", "on", `>${PASSWORD}`), 1],
  [
    "MIGRATE",
    wire("MIGRATE", "127.0.0.1", "1", "", "0", "9", "AUTH", PASSWORD, "KEYS", "no"),
    1,
  ],
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

/** A server that is no cluster node. */
class Standalone implements AsyncDisposable {
  readonly port: number;
  readonly #process: Deno.ChildProcess;

  private constructor(port: number, process: Deno.ChildProcess) {
    this.port = port;
    this.#process = process;
  }

  static async start(): Promise<Standalone> {
    const port = findFreePorts(1);
    const server = new Standalone(port, spawnServer("--port", `${port}`, "--bind", "127.0.0.1"));
    await until("the server answers", async () => {
      using client = await WireClient.connect("127.0.0.1", port);
      return await client.ask("PING");
    });
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.status;
  }
}

function spawnServer(...flags: string[]): Deno.ChildProcess {
  const args = [...flags, "--save", "", "--logfile", "/dev/null"];
  const named = Deno.env.get("REDIS_SERVER");
  for (const path of named ? [named] : ["redis-server", "valkey-server"]) {
    try {
      return new Deno.Command(path, { args, stdin: "null" }).spawn();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  throw new Error("No server was found: set REDIS_SERVER to the path of one");
}
