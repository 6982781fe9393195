import { assert, assertEquals, assertThrows } from "@std/assert";
import { formatHostPort, parseHostPort } from "../../../src/platform/address.ts";
import { type Config, parseCommand } from "../../../src/cli/config.ts";
import { ConfigError } from "../../../src/cli/config_error.ts";
import {
  DEFAULT_CAPTURE_LIMIT_BYTES,
  DEFAULT_READ_BUFFER_BYTES,
} from "../../../src/cli/options.ts";

const SEED = "CLUSTER_ADDR=10.0.0.1:7000";

const NODE_ID = "07c37dfeb235213a872192d90877d0cd55635b91";

/** Splits `NAME=value` words, which stand for variables, from flags. */
function command(words: readonly string[]) {
  const env = new Map<string, string>();
  const args: string[] = [];
  for (const word of words) {
    const [, name, value] = /^([A-Z_]+)=(.*)$/s.exec(word) ?? [];
    if (name === undefined) args.push(word);
    else env.set(name, value!);
  }
  return parseCommand(args, (name) => env.get(name));
}

/** The seed comes first, so that the words of a case override it. */
function config(words: readonly string[]): Config {
  const read = command([SEED, ...words]);
  if (read.kind !== "serve") throw new TypeError(`Read ${read.kind}, expected a configuration`);
  return read.config;
}

Deno.test("with a seed only, all other options have their default", () => {
  assertEquals(command(["--cluster-addr=10.0.0.1:7000"]), {
    kind: "serve",
    config: {
      listen: { host: "", port: 8000 },
      seeds: [{ host: "10.0.0.1", port: 7000 }],
      publicHost: "127.0.0.1",
      publicHostAssumed: true,
      maxNodes: 64,
      pins: [],
      credentials: undefined,
      startTimeoutMs: 60_000,
      refreshIntervalMs: 10_000,
      forgetAfterMs: 600_000,
      stateFile: undefined,
      mapFile: undefined,
      startDelayMs: 0,
      maxConnections: Infinity,
      connectTimeoutMs: 3000,
      idleTimeoutMs: Infinity,
      keepAlive: true,
      captureLimitBytes: DEFAULT_CAPTURE_LIMIT_BYTES,
      captureTimeoutMs: 30_000,
      threads: 1,
      shutdownGraceMs: 10_000,
      readBufferBytes: DEFAULT_READ_BUFFER_BYTES,
      echo: false,
      logLevel: "info",
      logFormat: "text",
      warnings: [],
    },
  });
});

const COMMANDS: [words: string[], kind: string][] = [
  [["--help"], "help"],
  [["-h"], "help"],
  [["server", "-help"], "help"],
  [["--help", "--version"], "help"],
  [["--help", "--max-nodes=none"], "help"],
  [["--version"], "version"],
  [["--version", "MAX_NODES=none"], "version"],
  [[SEED, "--help=false"], "serve"],
  [["healthcheck"], "healthcheck"],
  [["healthcheck", "--help"], "help"],
];

for (const [words, kind] of COMMANDS) {
  Deno.test(`${words.join(" ")} is the command ${kind}`, () => {
    assertEquals(command(words).kind, kind);
  });
}

Deno.test("--check selects the command check", () => {
  for (const [word, kind] of [["--check", "check"], ["--check=false", "serve"]] as const) {
    assertEquals(command([SEED, word]), { kind, config: config([]) });
  }
});

const PROBED: [words: string[], addresses: string[]][] = [
  [["--max-nodes=2"], ["127.0.0.1:8000", "[::1]:8000", "127.0.0.1:8001", "[::1]:8001"]],
  [["LISTEN_ADDR=[::]:9", "MAX_NODES=1"], ["127.0.0.1:9", "[::1]:9"]],
  [["--listen-addr=localhost:9", "--max-nodes=1"], ["127.0.0.1:9", "[::1]:9"]],
  [["--listen-addr=10.0.0.1:9", "--max-nodes=2"], ["10.0.0.1:9", "10.0.0.1:10"]],
  [["-listenAddr=a.b:9", "-maxNodes=2", "-portMap=a:1=10,a:2=99"], ["a.b:9", "a.b:10", "a.b:99"]],
  [["--listen-addr=10.0.0.1:0", "PORT_MAP=a:1=99"], ["10.0.0.1:99"]],
  // A health check ignores all other options.
  [["-listenAddr=a:1", "-maxNodes=1", "--start-timeout=60", "--check", "DEBUG=?"], ["a:1"]],
];

for (const [words, addresses] of PROBED) {
  Deno.test(`healthcheck ${words.join(" ")} probes ${addresses.join(", ")}`, () => {
    const read = command(["healthcheck", ...words]);
    if (read.kind !== "healthcheck") throw new TypeError(`Read ${read.kind}`);
    assertEquals(read.addresses.map(formatHostPort), addresses);
  });
}

Deno.test("a health check needs a known port", () => {
  assertThrows(() => command(["healthcheck", "LISTEN_ADDR=:0"]), ConfigError, "--listen-addr");
});

const ACCEPTED: [words: string[], expected: Partial<Config>][] = [
  [["--listen-addr=:9000"], { listen: { host: "", port: 9000 } }],
  [["LISTEN_ADDR=:9000"], { listen: { host: "", port: 9000 } }],
  [["LISTEN_ADDR=:9000", "-listenAddr", ":9001"], { listen: { host: "", port: 9001 } }],
  [["LISTEN_ADDR="], { listen: { host: "", port: 8000 } }],
  [["--listen-addr=:0", "--max-nodes=1024"], { listen: { host: "", port: 0 } }],
  [["--listen-addr=:65472"], { listen: { host: "", port: 65472 } }],
  [["--listen-addr=:65535", "--max-nodes=1"], { maxNodes: 1 }],
  [["--listen-addr=[::1]:80"], { listen: { host: "::1", port: 80 }, publicHost: "::1" }],
  [["--listen-addr=10.0.0.9:80"], { publicHost: "10.0.0.9", publicHostAssumed: false }],
  [["--listen-addr=node_1.lan:80"], { publicHost: "node_1.lan", publicHostAssumed: false }],
  [["--listen-addr=localhost:80"], { publicHost: "127.0.0.1", publicHostAssumed: false }],
  [["--listen-addr=0.0.0.0:80"], { publicHost: "127.0.0.1", publicHostAssumed: true }],
  [["--listen-addr=[::]:80"], { publicHost: "127.0.0.1", publicHostAssumed: true }],
  [["--listen-addr=[0::0]:80"], { publicHost: "127.0.0.1", publicHostAssumed: true }],
  [["--listen-addr=10.0.0.9:80", "--public-host=a.b"], { publicHost: "a.b" }],

  [["--cluster-addr=redis"], { seeds: [{ host: "redis", port: 6379 }] }],
  [["--cluster-addr=[::1]"], { seeds: [{ host: "::1", port: 6379 }] }],
  [["--cluster-addr=[fe80::1]:1"], { seeds: [{ host: "fe80::1", port: 1 }] }],
  [
    ["--cluster-addr", " a:1 , b,10.0.0.3:65535 "],
    {
      seeds: [{ host: "a", port: 1 }, { host: "b", port: 6379 }, { host: "10.0.0.3", port: 65535 }],
    },
  ],

  [["--public-host=redis.example.org"], { publicHost: "redis.example.org" }],
  [["PUBLIC_HOST=203.0.113.9"], { publicHost: "203.0.113.9", publicHostAssumed: false }],
  [["--public-host=127.0.0.1"], { publicHost: "127.0.0.1", publicHostAssumed: false }],
  [["--public-host=::1"], { publicHost: "::1" }],
  [["--public-host=[2001:db8::7]"], { publicHost: "2001:db8::7" }],
  [["--public-host=2001:db8:0:0:0:0:0:7"], { publicHost: "2001:db8:0:0:0:0:0:7" }],
  [["--public-host=localhost"], {
    publicHost: "127.0.0.1",
    publicHostAssumed: false,
    warnings: localhostWarning("--public-host"),
  }],
  [["PUBLIC_HOST=localhost"], { warnings: localhostWarning("PUBLIC_HOST") }],
  [["--public-host=LocalHost."], { publicHost: "127.0.0.1" }],

  [["--max-nodes=1"], { maxNodes: 1 }],
  [["MAX_NODES=1024"], { maxNodes: 1024 }],

  [[`--port-map=${NODE_ID}=8000`], { pins: [{ node: NODE_ID, port: 8000 }] }],
  [[`PORT_MAP=${NODE_ID.toUpperCase()}=1`], { pins: [{ node: NODE_ID, port: 1 }] }],
  [["--port-map", "10.0.0.1:7000=65535"], {
    pins: [{ node: { host: "10.0.0.1", port: 7000 }, port: 65535 }],
  }],
  [["-portMap", ` Redis-0.Lan:6379=9000 , ${NODE_ID}=8001,[2001:DB8:0:0::7]:6379=08002 `], {
    pins: [
      { node: { host: "redis-0.lan", port: 6379 }, port: 9000 },
      { node: NODE_ID, port: 8001 },
      { node: { host: "2001:db8::7", port: 6379 }, port: 8002 },
    ],
  }],
  [["--port-map=[::ffff:10.0.0.1]:1=2"], {
    pins: [{ node: { host: "::ffff:10.0.0.1", port: 1 }, port: 2 }],
  }],
  [[`--port-map=${NODE_ID}:1=2`], {
    pins: [{ node: { host: NODE_ID, port: 1 }, port: 2 }],
  }],
  [["--port-map=a:1=8000,a:2=8001", "--max-nodes=1", "--listen-addr=:0"], {
    pins: [
      { node: { host: "a", port: 1 }, port: 8000 },
      { node: { host: "a", port: 2 }, port: 8001 },
    ],
  }],

  [["--password=p"], { credentials: { username: undefined, password: "p" } }],
  [["--password", "-p "], { credentials: { username: undefined, password: "-p " } }],
  [
    ["CLUSTER_USERNAME=u", "CLUSTER_PASSWORD=p"],
    { credentials: { username: "u", password: "p" } },
  ],
  [["--username=u", "CLUSTER_PASSWORD=p"], { credentials: { username: "u", password: "p" } }],
  [["--password=p", "CLUSTER_PASSWORD_FILE="], {
    credentials: { username: undefined, password: "p" },
  }],

  [["--start-timeout=500ms"], { startTimeoutMs: 500 }],
  [["--start-timeout=1.5s"], { startTimeoutMs: 1500 }],
  [["--start-timeout=1.1m"], { startTimeoutMs: 66_000 }],
  [["START_TIMEOUT=2h"], { startTimeoutMs: 7_200_000 }],
  [["--start-timeout=596h"], { startTimeoutMs: 596 * 3_600_000 }],
  [["--start-timeout=0.1ms"], { startTimeoutMs: 1 }],
  [["--start-timeout=0"], { startTimeoutMs: Infinity }],
  [["--start-timeout=0s"], { startTimeoutMs: Infinity }],

  [["--refresh-interval=100ms"], { refreshIntervalMs: 100 }],
  [["REFRESH_INTERVAL=1m"], { refreshIntervalMs: 60_000 }],
  [["--refresh-interval=0"], { refreshIntervalMs: Infinity }],
  [["--refresh-interval=0ms"], { refreshIntervalMs: Infinity }],
  [["--forget-after=1ms"], { forgetAfterMs: 1 }],
  [["FORGET_AFTER=24h"], { forgetAfterMs: 86_400_000 }],
  [["--forget-after=0"], { forgetAfterMs: 0 }],

  [["--state-file=state.json"], { stateFile: "state.json", mapFile: undefined }],
  [["STATE_FILE=/a b", "MAP_FILE=/a"], { stateFile: "/a b", mapFile: "/a" }],
  [["--map-file=-"], { stateFile: undefined, mapFile: "-" }],

  [["START_DELAY=2.5"], {
    startDelayMs: 2500,
    warnings: [
      "START_DELAY delays the start by 2.5 s; remove it, the proxy waits until the cluster is " +
      "ready",
    ],
  }],
  [["START_DELAY=0"], { startDelayMs: 0, warnings: [] }],

  [["--max-connections=100"], { maxConnections: 100 }],
  [["MAX_CONNECTIONS=1"], { maxConnections: 1 }],
  [["-maxConcurrentConnections=5"], { maxConnections: 5 }],
  [["--connect-timeout=250ms"], { connectTimeoutMs: 250 }],
  [["IDLE_TIMEOUT=5m"], { idleTimeoutMs: 300_000 }],
  [["--keepalive=off"], { keepAlive: false }],
  [["KEEPALIVE=1"], { keepAlive: true }],
  [["--capture-limit=1048576"], { captureLimitBytes: 1024 * 1024 }],
  [["CAPTURE_TIMEOUT=0"], { captureTimeoutMs: Infinity }],
  [["--shutdown-grace=0"], { shutdownGraceMs: 0 }],
  [["SHUTDOWN_GRACE=1m"], { shutdownGraceMs: 60_000 }],
  [["--threads=64"], { threads: 64 }],
  [["THREADS=2"], { threads: 2 }],
  [["--threads=Auto"], { threads: navigator.hardwareConcurrency }],
  [["--number-of-buffers=100"], { maxConnections: 50 }],
  [["NUM_BUFFERS=7"], { maxConnections: 3 }],
  [["-numberOfBuffers=1"], { maxConnections: 1 }],

  [["--read-buffer-byte-size=512"], { readBufferBytes: 512 }],
  [["BUF_SIZE_BYTES=16777216"], { readBufferBytes: 16_777_216 }],

  [["--debug"], { echo: true }],
  [["--debug=false", "DEBUG=1"], { echo: false }],
  ...["1", "true", "yes", "on", "TRUE"].map(debug("DEBUG", true)),
  ...["0", "false", "no", "off", "Off", ""].map(debug("DEBUG", false)),
  ...["1", "true"].map(debug("--debug", true)),
  ...["0", "false"].map(debug("--debug", false)),

  [["--log-level=debug"], { logLevel: "debug" }],
  [["--log-level=warn"], { logLevel: "warning" }],
  [["LOG_LEVEL=WARNING"], { logLevel: "warning" }],
  [["LOG_LEVEL=error"], { logLevel: "error" }],
  [["--log-format=json"], { logFormat: "json" }],
  [["LOG_FORMAT=text"], { logFormat: "text" }],
];

function localhostWarning(source: string): string[] {
  return [
    `Advertising ${source} 'localhost' as 127.0.0.1, which only clients on this machine can reach`,
  ];
}

function debug(source: string, echo: boolean) {
  return (word: string): [string[], Partial<Config>] => [[`${source}=${word}`], { echo }];
}

for (const [words, expected] of ACCEPTED) {
  Deno.test(`${words.join(" ")} is accepted`, () => {
    const all: Partial<Config> = config(words);
    const read: Record<string, unknown> = {};
    for (const name of Object.keys(expected)) read[name] = all[name as keyof Config];
    assertEquals(read, expected as Record<string, unknown>);
  });
}

const INVALID: [words: string[], message: string][] = [
  [
    ["--listen-addr=8000"],
    "The host is neither a host name nor an IP address in --listen-addr '8000'; " +
    "expected [host]:port, such as :8000",
  ],
  [["LISTEN_ADDR=:80x"], "The port is not a number up to 65535 in LISTEN_ADDR ':80x'; expected"],
  [["--listen-addr=host"], "The port is missing in --listen-addr 'host'; "],
  [["--listen-addr=:"], "The port is not a number up to 65535 in --listen-addr ':'; "],
  [["--listen-addr=:-1"], "The port is not a number up to 65535 in --listen-addr ':-1'; "],
  [["--listen-addr=:65536"], "The port is not a number up to 65535 in --listen-addr ':65536'; "],
  [["--listen-addr=::1:8000"], "The IPv6 address has no brackets in --listen-addr '::1:8000'; "],
  [["--listen-addr=[::x]:8000"], "The brackets contain no IPv6 address in --listen-addr"],
  [["--listen-addr=[]:8000"], "The brackets contain no IPv6 address in --listen-addr"],
  [["--listen-addr=*:8000"], "The host is neither a host name nor an IP address in --listen-addr"],
  [["--listen-addr=a:b:c"], "The colons or brackets do not match host:port in --listen-addr"],
  [["--listen-addr=:80\n01"], "The port is not a number up to 65535 in --listen-addr ':80\\n01'; "],
  [
    ["--listen-addr=:65473"],
    "Ports 65473 to 65536 exceed 65535; lower the port of --listen-addr or lower --max-nodes " +
    "(now 64)",
  ],
  [["LISTEN_ADDR=:65535", "MAX_NODES=2"], "Ports 65535 to 65536 exceed 65535; "],

  [
    ["CLUSTER_ADDR="],
    "No cluster is given; set --cluster-addr or CLUSTER_ADDR to host:port",
  ],
  [["--cluster-addr=::1"], "The IPv6 address has no brackets in --cluster-addr '::1'; expected"],
  [["--cluster-addr=a,b:x"], "The port is not a number up to 65535 in --cluster-addr 'b:x'; "],
  [["--cluster-addr=a,,b"], "Cannot use --cluster-addr 'a,,b': a host is missing; expected"],
  [["CLUSTER_ADDR=a,"], "Cannot use CLUSTER_ADDR 'a,': a host is missing; expected host:port of"],
  [["--cluster-addr=:7000"], "Cannot use --cluster-addr ':7000': a host is missing; "],
  [["--cluster-addr=a:0"], "Cannot use --cluster-addr 'a:0': a port is 0; "],
  [["--cluster-addr=redis://a:1"], "Cannot use the URL in --cluster-addr; expected host:port of"],
  [["--cluster-addr=1.2.3"], "The host is neither a host name nor an IP address in --cluster-addr"],

  [
    ["--public-host=a:8000"],
    "Cannot use --public-host 'a:8000': it has a port; leave that out, the proxy adds the port",
  ],
  [["PUBLIC_HOST=[::1]:8000"], "Cannot use PUBLIC_HOST '[::1]:8000': it has a port; "],
  [["--public-host=a:"], "Cannot use --public-host 'a:': it has a port; "],
  [
    ["--public-host=0.0.0.0"],
    "Cannot use --public-host '0.0.0.0': no client can connect to it; expected the host name or " +
    "IP address that clients connect to",
  ],
  [["--public-host=::"], "Cannot use --public-host '::': no client can connect to it; "],
  [["--public-host=[::]"], "Cannot use --public-host '[::]': no client can connect to it; "],
  [["--public-host=0:0::0"], "Cannot use --public-host '0:0::0': no client can connect to it; "],
  ...[
    "a b",
    "a/b",
    "http://a",
    "-a",
    "a..b",
    "ä",
    "[a]",
    "[10.0.0.1]",
    "10.0.0.1.",
    "[localhost]",
    "10.0.0",
    "256.0.0.1",
  ]
    .concat("1", "010.0.0.1", "::g", "fe80::1%eth0", "a".repeat(64), "a\r\nb")
    .map((host): [string[], string] => [[`--public-host=${host}`], "Cannot use --public-host '"]),

  ...["0", "1025", "-1", "1.5", "1e2", "x", " 4"].map((count): [string[], string] => [
    [`--max-nodes=${count}`],
    `Cannot use --max-nodes '${count}': expected a whole number from 1 to 1024`,
  ]),
  [["MAX_NODES=0"], "Cannot use MAX_NODES '0': expected a whole number from 1 to 1024"],

  ...["x", "a:1", "=8000", "a:1=", "a:1=x", "a:1=-1", "a:1=1.5", "a:1=2=3", "a:1 = 2", "a=1;b=2"]
    .concat(",a:1=2", "a:1=2,", NODE_ID, "a:1=2 b:1=3")
    .map((text): [string[], string] => [[`--port-map=${text}`], "Cannot use --port-map '"]),
  [
    ["--port-map=a:1=8000,b:1"],
    "Cannot use --port-map 'b:1': expected ID=PORT or HOST:PORT=PORT, several separated by commas",
  ],
  [["PORT_MAP=a:1=8000,,b:1=8001"], "Cannot use PORT_MAP '': expected ID=PORT or HOST:PORT=PORT,"],
  ...["0", "65536", "99999999999999999999"].map((port): [string[], string] => [
    [`--port-map=a:1=${port}`],
    `Cannot use --port-map 'a:1=${port}': the public port is not from 1 to 65535; expected ID=PORT`,
  ]),
  [["--port-map=a:0=1"], "Cannot use --port-map 'a:0=1': the node's port is 0; expected ID=PORT"],
  [["--port-map=:1=1"], "Cannot use --port-map ':1=1': no node has that host; expected ID=PORT"],
  [["--port-map=[::]:1=1"], "Cannot use --port-map '[::]:1=1': no node has that host; expected"],
  [["--port-map=a=1"], "The port is missing in --port-map 'a'; expected ID=PORT or HOST:PORT=PORT"],
  [[`--port-map=${NODE_ID.slice(1)}=1`], `The port is missing in --port-map '${NODE_ID.slice(1)}'`],
  [["--port-map=::1:1=2"], "The IPv6 address has no brackets in --port-map '::1:1'; expected ID="],
  [["--port-map=a:x=2"], "The port is not a number up to 65535 in --port-map 'a:x'; expected ID="],
  [["--port-map=a b:1=2"], "The host is neither a host name nor an IP address in --port-map 'a b:"],
  [
    ["--port-map=a:1=8000,b:1=8001,A:1=8002"],
    "Cannot use --port-map 'A:1=8002': 'a:1=8000' has the same node; expected each node once",
  ],
  [[`--port-map=${NODE_ID}=1,${NODE_ID.toUpperCase()}=2`], `: '${NODE_ID}=1' has the same node; `],
  [
    ["--port-map=[::1]:1=8000,[0:0::1]:1=8001"],
    "'[0:0::1]:1=8001': '[::1]:1=8000' has the same node; ",
  ],
  [
    ["PORT_MAP=a:1=8000,b:1=8000"],
    "Cannot use PORT_MAP 'b:1=8000': 'a:1=8000' has the same port; expected each port once",
  ],

  [
    ["--username=u"],
    "Cannot use --username 'u': there is no password; add --password or --password-file",
  ],
  [["CLUSTER_USERNAME=u"], "Cannot use CLUSTER_USERNAME 'u': there is no password; "],
  [
    ["--password=p", "CLUSTER_PASSWORD_FILE=f"],
    "Both --password and CLUSTER_PASSWORD_FILE are set; expected one",
  ],

  ...["60", "s", "-1s", "1 s", "1d", "1m30s", "0x1s", ".5s", "infinity"].map(
    (duration): [string[], string] => [
      [`--start-timeout=${duration}`],
      `Cannot use --start-timeout '${duration}': expected a number and ms, s, m or h, such as ` +
      "500ms or 60s, or 0",
    ],
  ),
  [["START_TIMEOUT=1"], "Cannot use START_TIMEOUT '1': expected a number and ms, s, m or h"],
  [["--start-timeout=597h"], "Cannot use --start-timeout '597h': it is too long; "],
  [
    ["--refresh-interval=99ms"],
    "Cannot use --refresh-interval '99ms': it is too short; expected at least 100ms",
  ],
  [["REFRESH_INTERVAL=0.1ms"], "Cannot use REFRESH_INTERVAL '0.1ms': it is too short; "],
  [["--refresh-interval=10"], "Cannot use --refresh-interval '10': expected a number and ms, s, m"],
  [["--refresh-interval=597h"], "Cannot use --refresh-interval '597h': it is too long; "],
  [["--forget-after=1d"], "Cannot use --forget-after '1d': expected a number and ms, s, m or h"],
  [["FORGET_AFTER=never"], "Cannot use FORGET_AFTER 'never': expected a number and ms, s, m or h"],

  [
    ["--state-file=/a/b", "--map-file=/a/b"],
    "Cannot use --map-file '/a/b': --state-file names the same file; expected a different one",
  ],
  [
    ["STATE_FILE=b", "--map-file=./a/../b"],
    "'./a/../b': STATE_FILE names the same file; expected a d",
  ],
  [
    ["--password-file=/p", "--state-file=/p"],
    "Cannot use --state-file '/p': --password-file names the same file; expected a different one",
  ],
  [
    ["--password-file=/p", "MAP_FILE=//p"],
    "Cannot use MAP_FILE '//p': --password-file names the same",
  ],

  [["START_DELAY=5s"], "Cannot use START_DELAY '5s': expected a number of seconds, such as 5"],
  [["START_DELAY=-1"], "Cannot use START_DELAY '-1': expected a number of seconds, such as 5"],
  [["START_DELAY=9999999"], "Cannot use START_DELAY '9999999': it is too long; "],

  [["--max-connections=0"], "Cannot use --max-connections '0': expected a whole number from 1"],
  [
    ["--max-connections=1", "NUM_BUFFERS=1"],
    "Both --max-connections and NUM_BUFFERS are set; expected one",
  ],
  [
    ["-maxConcurrentConnections=1", "-numberOfBuffers=1"],
    "Both --max-concurrent-connections and --number-of-buffers are set; expected one",
  ],
  [
    ["-maxConcurrentConnections=0"],
    "Cannot use --max-concurrent-connections '0': expected a whole number from 1",
  ],
  [["--threads=0"], "Cannot use --threads '0': expected a whole number from 1 to 64, or auto"],
  [["--threads=65"], "Cannot use --threads '65': expected a whole number from 1 to 64, or auto"],
  [["THREADS=all"], "Cannot use THREADS 'all': expected a whole number from 1 to 64, or auto"],
  [["--connect-timeout=0"], "Cannot use --connect-timeout '0': expected a duration greater than 0"],
  [["--keepalive=60s"], "Cannot use --keepalive '60s': expected one of 0, 1, true, yes, on, false"],
  [["--capture-limit=1000"], "Cannot use --capture-limit '1000': expected a whole number from 104"],
  [["--idle-timeout=5"], "Cannot use --idle-timeout '5': expected a number and ms, s, m or h"],
  [["--number-of-buffers=0"], "Cannot use --number-of-buffers '0': expected a whole number from 1"],
  [["NUM_BUFFERS=many"], "Cannot use NUM_BUFFERS 'many': expected a whole number from 1"],
  [
    ["--read-buffer-byte-size=511"],
    "Cannot use --read-buffer-byte-size '511': expected a whole number from 512 to 16777216",
  ],
  [["BUF_SIZE_BYTES=16777217"], "Cannot use BUF_SIZE_BYTES '16777217': expected a whole number"],
  [["BUF_SIZE_BYTES=16k"], "Cannot use BUF_SIZE_BYTES '16k': expected a whole number from 512"],

  [["--debug=maybe"], "Cannot use --debug 'maybe': expected one of "],
  [["DEBUG=2"], "Cannot use DEBUG '2': expected one of "],
  [["--check=x"], "Cannot use --check 'x': expected one of "],
  [["--help=x"], "Cannot use --help 'x': expected one of "],
  [["--version=constructor"], "Cannot use --version 'constructor': expected one of "],
  [
    ["--log-level=loud"],
    "Cannot use --log-level 'loud': expected one of debug, info, warning, warn, error",
  ],
  [["LOG_LEVEL=trace"], "Cannot use LOG_LEVEL 'trace': expected one of debug, info, warning"],
  [["--log-format=xml"], "Cannot use --log-format 'xml': expected one of text, json"],
  [["--no-such-flag"], "Unknown flag --no-such-flag"],
];

for (const [words, message] of INVALID) {
  Deno.test(`${JSON.stringify(words.join(" "))} is invalid`, () => {
    const error = assertThrows(() => config(words), ConfigError, message);
    assert(!/[\r\n]/.test(error.message), error.message);
  });
}

Deno.test("no error repeats a password", () => {
  const cases = [
    ["--password=S3CRET", "--password-file=x"],
    ["--password=S3CRET", "--max-nodes=0"],
    ["--cluster-addr=redis://u:S3CRET@a:1"],
    ["--cluster-addr=u:S3CRET,S3CRET@a:1"],
    ["--public-host=u:S3CRET@a"],
    ["--listen-addr=redis://:S3CRET@a:1"],
  ];
  for (const words of cases) {
    const { message } = assertThrows(() => config(words), ConfigError);
    assert(!message.includes("S3CRET"), message);
  }
});

Deno.test("a configuration is deeply frozen", () => {
  const parts = config(["--password=p", "START_DELAY=1", "--port-map=a:1=2"]);
  for (
    const part of [
      parts,
      parts.listen,
      parts.seeds,
      parts.seeds[0],
      parts.pins,
      parts.pins[0],
      parts.pins[0]?.node,
      parts.credentials,
      parts.warnings,
    ]
  ) assert(Object.isFrozen(part), Deno.inspect(part));
});

Deno.test("an address is formatted as it is parsed", () => {
  for (const text of [":8000", "a:1", "10.0.0.1:0", "[::1]:65535", "[2001:db8::7]:80"]) {
    assertEquals(formatHostPort(parseHostPort(text)), text);
  }
});
