import { assert, assertEquals, assertThrows } from "@std/assert";
import { formatHostPort, parseHostPort } from "../../../src/platform/address.ts";
import type { Config } from "../../../src/cli/config.ts";
import { ConfigError } from "../../../src/cli/config_error.ts";
import {
  DEFAULT_CAPTURE_LIMIT_BYTES,
  DEFAULT_READ_BUFFER_BYTES,
} from "../../../src/cli/options.ts";
import { command, config, NODE_ID, SEED } from "./command.ts";

Deno.test("with a seed only, all other options have their default", () => {
  assertEquals(command(["--cluster-addr=10.0.0.1:7000"]), {
    kind: "serve",
    config: {
      listen: { host: "", port: 8000 },
      seeds: [{ host: "10.0.0.1", port: 7000 }],
      publicHost: "127.0.0.1",
      publicHostAssumed: true,
      publicIp: undefined,
      publicPortsFile: undefined,
      awaitsPublicPorts: false,
      maxNodes: 64,
      staticMappings: [],
      firstPublicPort: undefined,
      publicPorts: [],
      otherViews: [],
      credentials: undefined,
      login: undefined,
      via: undefined,
      dialMap: [],
      tls: undefined,
      viewTls: [],
      clusterTls: undefined,
      startTimeoutMs: 60_000,
      refreshIntervalMs: 10_000,
      forgetAfterMs: 600_000,
      stateFile: undefined,
      sharedPorts: undefined,
      mapFile: undefined,
      startDelayMs: 0,
      maxConnections: Infinity,
      connectTimeoutMs: 3000,
      idleTimeoutMs: Infinity,
      keepAlive: true,
      captureLimitBytes: DEFAULT_CAPTURE_LIMIT_BYTES,
      captureTimeoutMs: 30_000,
      threads: 1,
      balancers: undefined,
      drainDelayMs: 0,
      shutdownGraceMs: 10_000,
      httpAddress: undefined,
      settings: [],
      readBufferBytes: DEFAULT_READ_BUFFER_BYTES,
      echo: false,
      accessLog: false,
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
  // A person waits for the answer.
  const quick = config(["--start-timeout=5s"]);
  assertEquals(command([SEED, "--check"]), { kind: "check", config: quick });
  assertEquals(command([SEED, "--check=false"]), { kind: "serve", config: config([]) });
});

const PROBED: [words: string[], addresses: string[]][] = [
  [["--max-nodes=2"], ["127.0.0.1:8000", "[::1]:8000", "127.0.0.1:8001", "[::1]:8001"]],
  [["LISTEN_ADDR=[::]:9", "MAX_NODES=1"], ["127.0.0.1:9", "[::1]:9"]],
  [["--listen-addr=localhost:9", "--max-nodes=1"], ["127.0.0.1:9", "[::1]:9"]],
  [["--listen-addr=10.0.0.1:9", "--max-nodes=2"], ["10.0.0.1:9", "10.0.0.1:10"]],
  [["-listenAddr=a.b:9", "-maxNodes=2", "-portMap=a:1=10,a:2=99"], ["a.b:9", "a.b:10", "a.b:99"]],
  [["--listen-addr=10.0.0.1:0", "PORT_MAP=a:1=99"], ["10.0.0.1:99"]],
  [
    ["--max-nodes=2", "--view=a=10.0.0.1:9000,h", "--port-map=a:1=7999"],
    [
      ...["127.0.0.1:8000", "[::1]:8000", "127.0.0.1:8001", "[::1]:8001", "127.0.0.1:7999"],
      ...["[::1]:7999", "10.0.0.1:9000", "10.0.0.1:9001", "10.0.0.1:8999"],
    ],
  ],
  // A health check ignores all other options.
  [["-listenAddr=a:1", "-maxNodes=1", "--start-timeout=60", "--check", "DEBUG=?"], ["a:1"]],
];

for (const [words, addresses] of PROBED) {
  Deno.test(`healthcheck ${words.join(" ")} probes ${addresses.join(", ")}`, () => {
    const read = command(["healthcheck", ...words]);
    if (read.kind !== "healthcheck") throw new TypeError(`Read ${read.kind}`);
    const probed = read.listeners.flatMap(({ hosts, port }) =>
      hosts.map((host) => ({ host, port }))
    );
    assertEquals(probed.map(formatHostPort), addresses);
  });
}

Deno.test("a health check needs a known port", () => {
  assertThrows(() => command(["healthcheck", "LISTEN_ADDR=:0"]), ConfigError, "--listen-addr");
});

const DELAY_WARNING =
  "START_DELAY delays the start by 2.5 s; remove it, the proxy waits until the cluster is ready";

const U_P = { username: "u", password: "p" };

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
  [["--cluster-addr", " a:1 , b,10.0.0.3:65535 "], {
    seeds: [{ host: "a", port: 1 }, { host: "b", port: 6379 }, { host: "10.0.0.3", port: 65535 }],
  }],

  [["--public-host=redis.example.org"], { publicHost: "redis.example.org" }],
  [["PUBLIC_HOST=203.0.113.9"], { publicHost: "203.0.113.9", publicHostAssumed: false }],
  [["--public-host=127.0.0.1"], { publicHost: "127.0.0.1", publicHostAssumed: false }],
  [["--public-host=reached"], { publicHost: undefined, publicHostAssumed: false }],
  [["PUBLIC_HOST=Reached"], { publicHost: undefined }],
  [["--public-host=reached.example"], { publicHost: "reached.example" }],
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

  [["--public-host=a.b", "--public-ip=203.0.113.7"], {
    publicHost: "a.b",
    publicIp: "203.0.113.7",
  }],
  [["PUBLIC_IP=[2001:db8::7]", "PUBLIC_HOST=a.b"], { publicIp: "2001:db8::7" }],
  [["--listen-addr=a.b:8000", "--public-ip=::1"], { publicHost: "a.b", publicIp: "::1" }],

  [["PUBLIC_PORTS_FILE=/data/ports", "--listen-addr=:0"], {
    publicPortsFile: { path: "/data/ports", source: "PUBLIC_PORTS_FILE" },
    awaitsPublicPorts: true,
  }],

  [["--max-nodes=1"], { maxNodes: 1 }],
  [["MAX_NODES=1024"], { maxNodes: 1024 }],

  [[`--port-map=${NODE_ID}=8000`], { staticMappings: [{ node: NODE_ID, port: 8000 }] }],
  [[`PORT_MAP=${NODE_ID.toUpperCase()}=1`], { staticMappings: [{ node: NODE_ID, port: 1 }] }],
  [["--port-map", "10.0.0.1:7000=65535"], { staticMappings: [at("10.0.0.1", 7000, 65535)] }],
  [["-portMap", ` Redis-0.Lan:6379=9000 , ${NODE_ID}=8001,[2001:DB8:0:0::7]:6379=08002 `], {
    staticMappings: [
      at("redis-0.lan", 6379, 9000),
      { node: NODE_ID, port: 8001 },
      at("2001:db8::7", 6379, 8002),
    ],
  }],
  [["--port-map=[::ffff:10.0.0.1]:1=2"], { staticMappings: [at("::ffff:10.0.0.1", 1, 2)] }],
  [[`--port-map=${NODE_ID}:1=2`], { staticMappings: [at(NODE_ID, 1, 2)] }],
  [["--port-map=a:1=8000,a:2=8001", "--max-nodes=1", "--listen-addr=:0"], {
    staticMappings: [at("a", 1, 8000), at("a", 2, 8001)],
  }],

  [["--port-map=a:1=8001:443,a:2=8002"], {
    staticMappings: [at("a", 1, 8001), at("a", 2, 8002)],
    publicPorts: [{ listen: 8001, public: 443 }],
    firstPublicPort: undefined,
  }],
  [["--port-map=a:1=8001:8002,a:2=8002:8001"], {
    publicPorts: [{ listen: 8001, public: 8002 }, { listen: 8002, public: 8001 }],
  }],
  [["--public-port=31000"], { firstPublicPort: 31000, publicPorts: [] }],
  [["PUBLIC_PORT=65472"], { firstPublicPort: 65472 }],
  [["--public-port=8001"], { firstPublicPort: 8001 }],

  [["--password=p"], { credentials: { username: undefined, password: "p" } }],
  [["--password", "-p "], { credentials: { username: undefined, password: "-p " } }],
  [["CLUSTER_USERNAME=u", "CLUSTER_PASSWORD=p"], { credentials: U_P }],
  [["--username=u", "CLUSTER_PASSWORD=p"], { credentials: U_P }],
  [["--password=p", "CLUSTER_PASSWORD_FILE="], { credentials: { ...U_P, username: undefined } }],

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
  [["--shared-ports=nat:{x} y"], { sharedPorts: "nat:{x} y" }],
  [["STATE_FILE=/a b", "MAP_FILE=/a"], { stateFile: "/a b", mapFile: "/a" }],
  [["--map-file=-"], { stateFile: undefined, mapFile: "-" }],

  [["START_DELAY=2.5"], { startDelayMs: 2500, warnings: [DELAY_WARNING] }],
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
  [["--http-addr=:9121"], { httpAddress: { host: "127.0.0.1", port: 9121 } }],
  [["HTTP_ADDR=0.0.0.0:0"], { httpAddress: { host: "0.0.0.0", port: 0 } }],
  [["--http-addr=[::]:7999"], { httpAddress: { host: "::", port: 7999 } }],
  [["HTTP_ADDR="], { httpAddress: undefined }],
  [["--threads=64"], { threads: 64 }],
  [["THREADS=2"], { threads: 2 }],
  [["--threads=Auto"], { threads: navigator.hardwareConcurrency }],
  [["--number-of-buffers=100"], { maxConnections: 50 }],
  [["NUM_BUFFERS=7"], { maxConnections: 3 }],
  [["-numberOfBuffers=1"], { maxConnections: 1 }],

  [["--read-buffer-byte-size=512"], { readBufferBytes: 512 }],
  [["BUF_SIZE_BYTES=16777216"], { readBufferBytes: 16_777_216 }],

  [["--access-log"], { accessLog: true, warnings: [] }],
  [["ACCESS_LOG=on"], { accessLog: true }],
  [["--access-log=off"], { accessLog: false }],
  [["ACCESS_LOG=1", "--log-level=error"], {
    accessLog: true,
    warnings: ["ACCESS_LOG logs at level info, so nothing is logged with --log-level=error"],
  }],

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

/** A static mapping of an address. */
function at(host: string, port: number, publicPort: number) {
  return { node: { host, port }, port: publicPort };
}

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

Deno.test("a configuration is deeply frozen", () => {
  const parts = config([
    ...["--password=p", "START_DELAY=1", "--port-map=a:1=2"],
    ...["--tls-cert-file=c", "--tls-key-file=k", "--cluster-tls"],
  ]);
  const { listen, seeds, staticMappings, credentials, clusterTls, warnings } = parts;
  const lists = [seeds, seeds[0], staticMappings, staticMappings[0], staticMappings[0]?.node];
  const others = [listen, credentials, parts.tls?.identity.key, clusterTls, warnings];
  for (const part of [parts, ...lists, ...others]) {
    assert(Object.isFrozen(part), Deno.inspect(part));
  }
});

Deno.test("an address is formatted as it is parsed", () => {
  for (const text of [":8000", "a:1", "10.0.0.1:0", "[::1]:65535", "[2001:db8::7]:80"]) {
    assertEquals(formatHostPort(parseHostPort(text)), text);
  }
});
