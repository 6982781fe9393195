import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  ConfigError,
  helpText,
  type OptionName,
  OPTIONS,
  readOptions,
} from "../../../src/cli/options.ts";

/** What a setting was set to, without its defaults. */
function read(args: string[], env: Record<string, string> = {}): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, { text }] of readOptions(args, (variable) => env[variable])) {
    const fallback = OPTIONS.find((setting) => setting.name === name)!.defaultValue;
    if (text !== fallback) found[name] = text;
  }
  return found;
}

/** Every flag, what the original called it or would have, and its variable. */
const FLAGS: [flag: OptionName, camelCase: string, variable: string | undefined][] = [
  ["listen-addr", "listenAddr", "LISTEN_ADDR"],
  ["cluster-addr", "clusterAddr", "CLUSTER_ADDR"],
  ["public-host", "publicHost", "PUBLIC_HOST"],
  ["max-nodes", "maxNodes", "MAX_NODES"],
  ["port-map", "portMap", "PORT_MAP"],
  ["username", "username", "CLUSTER_USERNAME"],
  ["password", "password", "CLUSTER_PASSWORD"],
  ["password-file", "passwordFile", "CLUSTER_PASSWORD_FILE"],
  ["start-timeout", "startTimeout", "START_TIMEOUT"],
  ["refresh-interval", "refreshInterval", "REFRESH_INTERVAL"],
  ["forget-after", "forgetAfter", "FORGET_AFTER"],
  ["state-file", "stateFile", "STATE_FILE"],
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
  ["debug", "debug", "DEBUG"],
  ["log-level", "logLevel", "LOG_LEVEL"],
  ["log-format", "logFormat", "LOG_FORMAT"],
  ["check", "check", undefined],
  ["help", "help", undefined],
  ["version", "version", undefined],
];

Deno.test("the table of flags here has every flag there is", () => {
  const flags = OPTIONS.filter((setting) => !setting.envOnly).map((setting) => setting.name);
  assertEquals(flags, FLAGS.map(([flag]) => flag));
});

for (const [flag, camelCase, variable] of FLAGS) {
  const takesValue = OPTIONS.find((setting) => setting.name === flag)!.value !== undefined;
  Deno.test(`--${flag} is read in every spelling, and before ${variable ?? "no variable"}`, () => {
    for (const spelling of [`--${flag}`, `-${flag}`, `--${camelCase}`, `-${camelCase}`]) {
      assertEquals(read([`${spelling}=x=1`]), { [flag]: "x=1" }, spelling);
      assertEquals(read(["server", `${spelling}=x`]), { [flag]: "x" }, spelling);
      if (takesValue) assertEquals(read([spelling, "x"]), { [flag]: "x" }, spelling);
      else assertEquals(read([spelling]), { [flag]: "true" }, spelling);
    }
    if (variable === undefined) return;
    assertEquals(read([], { [variable]: "y" }), { [flag]: "y" });
    assertEquals(read([`--${flag}=x`], { [variable]: "y" }), { [flag]: "x" });
    assertEquals(read([], { [variable]: "" }), {}, "an empty variable is none");
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
  // What the original has beside --max-connections' variable.
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

const REFUSED: [args: string[], message: string][] = [
  [["--no-such-flag"], "Unknown flag --no-such-flag; --help lists those there are"],
  [["--no-debug"], "Unknown flag --no-debug; --help lists those there are"],
  [["---debug"], "Unknown flag ---debug; did you mean --debug?"],
  [["--listen_addr=:1"], "Unknown flag --listen_addr; did you mean --listen-addr?"],
  [["--LISTENADDR", ":1"], "Unknown flag --LISTENADDR; did you mean --listen-addr?"],
  [["--maxconcurrentconnections"], "did you mean --max-concurrent-connections?"],
  [["-maxConcurrentConnections"], "No value for --max-concurrent-connections; write --max-conc"],
  [
    ["-maxConcurrentConnections=1", "--max-connections=1"],
    "Both --max-connections and --max-concurrent-connections are given; expected one",
  ],
  [["--start-delay=5"], "Unknown flag --start-delay; --help lists those there are"],
  [["--a\nb"], "Unknown flag --a\\nb; --help lists those there are"],
  [
    ["serve"],
    "Unexpected word 'serve'; expected flags, and before them at most server or healthcheck",
  ],
  [["server", "server"], "Unexpected word 'server'; "],
  [["server", "healthcheck"], "Unexpected word 'healthcheck'; "],
  [["-"], "Unexpected word '-'; "],
  [["--"], "Unexpected word '--'; "],
  [["--=x"], "Unexpected word '--=x'; "],
  [["--debug", "true"], "Unexpected word after --debug; write --debug=true or --debug=false"],
  [["--debug", "server"], "Unexpected word after --debug; "],
  [["--max-nodes=4", "5"], "Unexpected word after --max-nodes; put a value that holds spaces in"],
  [["--max-nodes"], "No value for --max-nodes; write --max-nodes=COUNT"],
  [["-maxNodes="], "No value for --max-nodes; write --max-nodes=COUNT"],
  [["--max-nodes", ""], "No value for --max-nodes; write --max-nodes=COUNT"],
  [["--debug="], "No value after --debug=; expected true or false"],
  [
    ["--cluster-addr", "-listenAddr=:1"],
    "A flag follows --cluster-addr where its value should be; if it is the value, write " +
    "--cluster-addr=HOST[:PORT],...",
  ],
  [["--password", "--debug"], "A flag follows --password where its value should be; "],
];

for (const [args, message] of REFUSED) {
  Deno.test(`the arguments ${JSON.stringify(args)} are refused`, () => {
    assertThrows(() => read(args), ConfigError, message);
  });
}

Deno.test("what the original calls a flag wins over the variable, too", () => {
  const env = { MAX_CONNECTIONS: "7" };
  assertEquals(read(["-maxConcurrentConnections", "5"], env), { "max-connections": "5" });
});

Deno.test("a refusal does not repeat what may be part of a password", () => {
  for (
    const args of [["--password", "a", "S3CRET"], ["--pasword=S3CRET"], ["--password=", "S3CRET"]]
  ) {
    const { message } = assertThrows(() => read(args), ConfigError);
    assert(!message.includes("S3CRET"), message);
  }
});

Deno.test("the help names every flag, variable and default in 100 columns", () => {
  const help = helpText();
  for (const { name, alias, variable, defaultValue, envOnly } of OPTIONS) {
    if (!envOnly) assert(help.includes(`  --${name} `), name);
    if (alias !== undefined) assert(help.includes(`--${alias}`), alias);
    if (variable !== undefined) assert(help.includes(variable), variable);
    if (defaultValue !== undefined) {
      // Lines are wrapped between words.
      assert(help.replace(/\s+/g, " ").includes(`default ${defaultValue}]`), name);
    }
  }
  for (const line of help.split("\n")) assert(line.length <= 100, line);
});
