import { assert, assertEquals, assertThrows } from "@std/assert";
import { OptionReader } from "../../../src/cli/command_line.ts";
import { ConfigError } from "../../../src/cli/config_error.ts";
import { type OptionName, OPTIONS } from "../../../src/cli/options.ts";

/** The texts of the options that differ from their default. */
function read(args: string[], env: Record<string, string> = {}): Record<string, string> {
  const found: Record<string, string> = {};
  const reader = new OptionReader(args, (variable) => env[variable]);
  for (const option of OPTIONS) {
    const text = reader.raw(option.name)?.text;
    if (text !== undefined && text !== option.default) found[option.name] = text;
  }
  return found;
}

/** Every flag, its camelCase form as in redisClusterProxy, and its variable. */
const FLAGS: [flag: OptionName, camelCase: string, variable: string | undefined][] = [
  ["listen-addr", "listenAddr", "LISTEN_ADDR"],
  ["cluster-addr", "clusterAddr", "CLUSTER_ADDR"],
  ["public-host", "publicHost", "PUBLIC_HOST"],
  ["public-ip", "publicIp", "PUBLIC_IP"],
  ["public-port", "publicPort", "PUBLIC_PORT"],
  ["public-ports-file", "publicPortsFile", "PUBLIC_PORTS_FILE"],
  ["view", "view", "VIEWS"],
  ["view-tls", "viewTls", "VIEW_TLS"],
  ["max-nodes", "maxNodes", "MAX_NODES"],
  ["port-map", "portMap", "PORT_MAP"],
  ["via", "via", "VIA"],
  ["dial-map", "dialMap", "DIAL_MAP"],
  ["username", "username", "CLUSTER_USERNAME"],
  ["password", "password", "CLUSTER_PASSWORD"],
  ["password-file", "passwordFile", "CLUSTER_PASSWORD_FILE"],
  ["login", "login", "LOGIN"],
  ["tls-cert-file", "tlsCertFile", "TLS_CERT_FILE"],
  ["tls-key-file", "tlsKeyFile", "TLS_KEY_FILE"],
  ["tls-key-passphrase-file", "tlsKeyPassphraseFile", "TLS_KEY_PASSPHRASE_FILE"],
  ["tls-ca-cert-file", "tlsCaCertFile", "TLS_CA_CERT_FILE"],
  ["tls-auth-clients", "tlsAuthClients", "TLS_AUTH_CLIENTS"],
  ["tls-min-version", "tlsMinVersion", "TLS_MIN_VERSION"],
  ["cluster-tls", "clusterTls", "CLUSTER_TLS"],
  ["cluster-tls-ca-cert-file", "clusterTlsCaCertFile", "CLUSTER_TLS_CA_CERT_FILE"],
  ["cluster-tls-cert-file", "clusterTlsCertFile", "CLUSTER_TLS_CERT_FILE"],
  ["cluster-tls-key-file", "clusterTlsKeyFile", "CLUSTER_TLS_KEY_FILE"],
  [
    "cluster-tls-key-passphrase-file",
    "clusterTlsKeyPassphraseFile",
    "CLUSTER_TLS_KEY_PASSPHRASE_FILE",
  ],
  ["cluster-tls-server-name", "clusterTlsServerName", "CLUSTER_TLS_SERVER_NAME"],
  ["cluster-tls-verify", "clusterTlsVerify", "CLUSTER_TLS_VERIFY"],
  ["accept-proxy-protocol", "acceptProxyProtocol", "ACCEPT_PROXY_PROTOCOL"],
  ["proxy-protocol-from", "proxyProtocolFrom", "PROXY_PROTOCOL_FROM"],
  ["drain-delay", "drainDelay", "DRAIN_DELAY"],
  ["start-timeout", "startTimeout", "START_TIMEOUT"],
  ["refresh-interval", "refreshInterval", "REFRESH_INTERVAL"],
  ["forget-after", "forgetAfter", "FORGET_AFTER"],
  ["state-file", "stateFile", "STATE_FILE"],
  ["shared-ports", "sharedPorts", "SHARED_PORTS"],
  ["map-file", "mapFile", "MAP_FILE"],
  ["max-connections", "maxConnections", "MAX_CONNECTIONS"],
  ["number-of-buffers", "numberOfBuffers", "NUM_BUFFERS"],
  ["connect-timeout", "connectTimeout", "CONNECT_TIMEOUT"],
  ["idle-timeout", "idleTimeout", "IDLE_TIMEOUT"],
  ["keepalive", "keepalive", "KEEPALIVE"],
  ["capture-limit", "captureLimit", "CAPTURE_LIMIT"],
  ["capture-timeout", "captureTimeout", "CAPTURE_TIMEOUT"],
  ["threads", "threads", "THREADS"],
  ["shutdown-grace", "shutdownGrace", "SHUTDOWN_GRACE"],
  ["read-buffer-byte-size", "readBufferByteSize", "BUF_SIZE_BYTES"],
  ["http-addr", "httpAddr", "HTTP_ADDR"],
  ["access-log", "accessLog", "ACCESS_LOG"],
  ["debug", "debug", "DEBUG"],
  ["log-level", "logLevel", "LOG_LEVEL"],
  ["log-format", "logFormat", "LOG_FORMAT"],
  ["check", "check", undefined],
  ["help", "help", undefined],
  ["version", "version", undefined],
];

Deno.test("this table has every flag", () => {
  const flags = OPTIONS.filter((option) => !option.envOnly).map((option) => option.name);
  assertEquals(flags, FLAGS.map(([flag]) => flag));
});

for (const [flag, camelCase, variable] of FLAGS) {
  const takesValue = OPTIONS.find((option) => option.name === flag)!.type.placeholder !== undefined;
  Deno.test(`--${flag} has every spelling, and overrides ${variable ?? "no variable"}`, () => {
    for (const spelling of [`--${flag}`, `-${flag}`, `--${camelCase}`, `-${camelCase}`]) {
      assertEquals(read([`${spelling}=x=1`]), { [flag]: "x=1" }, spelling);
      assertEquals(read(["server", `${spelling}=x`]), { [flag]: "x" }, spelling);
      if (takesValue) assertEquals(read([spelling, "x"]), { [flag]: "x" }, spelling);
      else assertEquals(read([spelling]), { [flag]: "true" }, spelling);
    }
    if (variable === undefined) return;
    assertEquals(read([], { [variable]: "y" }), { [flag]: "y" });
    assertEquals(read([`--${flag}=x`], { [variable]: "y" }), { [flag]: "x" });
    assertEquals(read([], { [variable]: "" }), {}, "an empty variable is not set");
  });
}

const ACCEPTED: [args: string[], settings: Record<string, string>][] = [
  [[], {}],
  [["server"], {}],
  [["healthcheck", "--check"], { check: "true" }],
  [["-h"], { help: "true" }],
  [["--debug=false"], { debug: "false" }],
  [["--debug", "--check"], { debug: "true", check: "true" }],
  [["--log-level=debug", "--log-level=error"], { "log-level": "error" }],
  // The flag of redisClusterProxy.
  [["-maxConcurrentConnections", "5"], { "max-connections": "5" }],
  [["server", "--max-concurrent-connections=5"], { "max-connections": "5" }],
  [["--password", "-x"], { password: "-x" }],
  [["--password", "--x=y"], { password: "--x=y" }],
  [["--password", "--"], { password: "--" }],
  [["--password", "server"], { password: "server" }],
  [["--password=--debug"], { password: "--debug" }],
  [["--password", "007"], { password: "007" }],
  [["--password", "two words\nand a line"], { password: "two words\nand a line" }],
];

for (const [args, settings] of ACCEPTED) {
  Deno.test(`the arguments ${JSON.stringify(args)} are accepted`, () => {
    assertEquals(read(args), settings);
  });
}

/** Arguments with spaces between, and a part of the error. */
const INVALID: Record<string, string> = {
  "--no-such-flag": "Unknown flag --no-such-flag; see --help",
  "--no-debug": "Unknown flag --no-debug; see --help",
  "---debug": "Unknown flag ---debug; did you mean --debug?",
  "--listen_addr=:1": "Unknown flag --listen_addr; did you mean --listen-addr?",
  "--LISTENADDR :1": "Unknown flag --LISTENADDR; did you mean --listen-addr?",
  "--maxconcurrentconnections": "did you mean --max-concurrent-connections?",
  "-maxConcurrentConnections": "No value for --max-concurrent-connections; write --max-conc",
  "-maxConcurrentConnections=1 --max-connections=1":
    "Both --max-connections and --max-concurrent-connections are set; expected one",
  "--start-delay=5": "Unknown flag --start-delay; see --help",
  "--a\nb": "Unknown flag --a\\nb; see --help",
  "serve": "Unexpected argument 'serve'; expected flags, or server or healthcheck before them",
  "server server": "Unexpected argument 'server'; ",
  "server healthcheck": "Unexpected argument 'healthcheck'; ",
  "-": "Unexpected argument '-'; ",
  "--": "Unexpected argument '--'; ",
  "--=x": "Unexpected argument '--=x'; ",
  "--debug true": "Unexpected argument after --debug; write --debug=value, with quotes",
  "--debug server": "Unexpected argument after --debug; ",
  "--max-nodes=4 5": "Unexpected argument after --max-nodes; ",
  "--max-nodes": "No value for --max-nodes; write --max-nodes=COUNT",
  "-maxNodes=": "No value for --max-nodes; write --max-nodes=COUNT",
  "--max-nodes ": "No value for --max-nodes; write --max-nodes=COUNT",
  "--debug=": "No value for --debug; write --debug=true or false",
  "--cluster-addr -listenAddr=:1":
    "No value for --cluster-addr before the next flag; if that is the value, write " +
    "--cluster-addr=HOST[:PORT],...",
  "--password --debug": "No value for --password before the next flag; ",
};

for (const [line, message] of Object.entries(INVALID)) {
  Deno.test(`the arguments ${JSON.stringify(line)} are invalid`, () => {
    assertThrows(() => read(line.split(" ")), ConfigError, message);
  });
}

Deno.test("an alias overrides the variable", () => {
  const env = { MAX_CONNECTIONS: "7" };
  assertEquals(read(["-maxConcurrentConnections", "5"], env), { "max-connections": "5" });
});

Deno.test("no error repeats what may be part of a password", () => {
  for (
    const args of [["--password", "a", "S3CRET"], ["--pasword=S3CRET"], ["--password=", "S3CRET"], [
      "redis://u:S3CRET@a",
    ]]
  ) {
    const { message } = assertThrows(() => read(args), ConfigError);
    assert(!message.includes("S3CRET"), message);
  }
});
