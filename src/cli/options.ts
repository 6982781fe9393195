import { parseArgs } from "@std/cli/parse-args";
import { OperatorError } from "../platform/operator_error.ts";

/** What the program can be told to be in front of all flags; a server unless told. */
const WORDS = ["server", "healthcheck"] as const;

/** Something that the operator can set, by a flag, by an environment variable, or by both. */
export interface Option<Name extends string> {
  /** In kebab-case: the flag without its dashes. */
  readonly name: Name;
  /** What the original program calls the flag, in kebab-case. */
  readonly alias?: string;
  readonly variable?: string;
  /** There is a variable only. */
  readonly envOnly?: true;
  /** What the help calls the value; a setting without it is on or off. */
  readonly value?: string;
  /** The value of a setting that is not given. */
  readonly defaultValue?: string;
  /** One sentence. */
  readonly help: string;
}

/** A value as it was given, and what the operator calls the place that it came from. */
export interface RawValue {
  readonly text: string;
  /** A flag with its dashes, or a variable. */
  readonly source: string;
}

/** Settings by name; those that were not given and have no default are absent. */
export type RawOptions = ReadonlyMap<OptionName, RawValue>;

/** An option that cannot be used; the message names it, and the exit status is 2. */
export class ConfigError extends OperatorError {
  override readonly name = "ConfigError";
}

/**
 * The size of a read buffer unless the operator gives one, in bytes. Small requests do not feel
 * it; values of 1 MiB come at 0.38, 0.57, 0.65, 0.62 and 0.66 of the speed straight from a node
 * with 8, 16, 32, 64 and 128 KiB, and two buffers are kept for each client.
 */
export const DEFAULT_READ_BUFFER_BYTES = 32 * 1024;

/**
 * How long a forgotten node keeps its port unless the operator says. For 60 s after a CLUSTER
 * FORGET the nodes refuse to hear of it again (cluster_legacy.c CLUSTER_BLACKLIST_TTL); ten times
 * that is enough for an operator who forgets a node in order to bring it back.
 */
const DEFAULT_FORGET_AFTER = "10m";

/**
 * How much is kept of replies that are rewritten unless the operator says otherwise, in bytes.
 * CLUSTER SLOTS of a thousand nodes with every slot a range of its own takes about 10 MB, and
 * CLIENT LIST about 400 bytes a client.
 */
export const DEFAULT_CAPTURE_LIMIT_BYTES = 64 * 1024 * 1024;

const rows = [
  {
    name: "listen-addr",
    variable: "LISTEN_ADDR",
    value: "[HOST]:PORT",
    defaultValue: ":8000",
    help: "Listener of the first node; further nodes take the next ports, or free ones if it is 0.",
  },
  {
    name: "cluster-addr",
    variable: "CLUSTER_ADDR",
    value: "HOST[:PORT],...",
    help: "Required: any node of the cluster, or several; a name is all its addresses; a missing " +
      "port is 6379.",
  },
  {
    name: "public-host",
    variable: "PUBLIC_HOST",
    value: "HOST",
    help: "Host name or IP address, without a port, that clients are given; if there is none, " +
      "the host of --listen-addr, else 127.0.0.1.",
  },
  {
    name: "max-nodes",
    variable: "MAX_NODES",
    value: "COUNT",
    defaultValue: "64",
    help: "Size of the port range, 1 to 1024.",
  },
  {
    name: "port-map",
    variable: "PORT_MAP",
    value: "NODE=PORT,...",
    help: "Nodes that get a certain port, of the range or not; a NODE is a node id or its " +
      "private HOST:PORT, where IPv6 has brackets.",
  },
  {
    name: "username",
    variable: "CLUSTER_USERNAME",
    value: "NAME",
    help: "User of the proxy's own connection to the cluster; clients authenticate themselves.",
  },
  {
    name: "password",
    variable: "CLUSTER_PASSWORD",
    value: "PASSWORD",
    help: "Password of that connection; a flag can be seen by other users of the machine, so " +
      "better use the variable or a file.",
  },
  {
    name: "password-file",
    variable: "CLUSTER_PASSWORD_FILE",
    value: "PATH",
    help:
      "File that holds that password, read for each connection; a line break at its end does not " +
      "count.",
  },
  {
    name: "start-timeout",
    variable: "START_TIMEOUT",
    value: "DURATION",
    defaultValue: "60s",
    help: "How long to wait for a cluster that has slots, such as 500ms, 60s, 5m or 1h; 0 waits " +
      "for ever.",
  },
  {
    name: "refresh-interval",
    variable: "REFRESH_INTERVAL",
    value: "DURATION",
    defaultValue: "10s",
    help: "How often to ask the cluster who is there, at least 100ms; 0 asks only when something " +
      "says that the picture is old.",
  },
  {
    name: "forget-after",
    variable: "FORGET_AFTER",
    value: "DURATION",
    defaultValue: DEFAULT_FORGET_AFTER,
    help: "How long a node that the cluster has forgotten keeps its port; 0 takes it at once.",
  },
  {
    name: "state-file",
    variable: "STATE_FILE",
    value: "PATH",
    help: "File that keeps the ports of all nodes over a restart; it is made if there is none.",
  },
  {
    name: "map-file",
    variable: "MAP_FILE",
    value: "PATH",
    help: "File to write the mapping to, in JSON, as ioredis and redis-py take it, too.",
  },
  {
    name: "max-connections",
    alias: "max-concurrent-connections",
    variable: "MAX_CONNECTIONS",
    value: "COUNT",
    help: "How many client connections are served at once; unlimited if not given. The original " +
      "program calls it --max-concurrent-connections, which is accepted, too.",
  },
  {
    name: "number-of-buffers",
    variable: "NUM_BUFFERS",
    value: "COUNT",
    help: "Twice as much, as the original program counts; give one or the other.",
  },
  {
    name: "connect-timeout",
    variable: "CONNECT_TIMEOUT",
    value: "DURATION",
    defaultValue: "3s",
    help: "How long a node may take to accept a connection.",
  },
  {
    name: "idle-timeout",
    variable: "IDLE_TIMEOUT",
    value: "DURATION",
    defaultValue: "0",
    help: "How long neither side of a client connection may send anything; 0 is for ever, as " +
      "blocked and subscribed clients need.",
  },
  {
    name: "keepalive",
    variable: "KEEPALIVE",
    value: "ON|OFF",
    defaultValue: "on",
    help: "Whether the system probes connections that are silent, at its own times, and ends " +
      "those whose peer is gone.",
  },
  {
    name: "capture-limit",
    variable: "CAPTURE_LIMIT",
    value: "BYTES",
    defaultValue: String(DEFAULT_CAPTURE_LIMIT_BYTES),
    help: "How much is kept at once of replies that are rewritten, beyond 16 KiB for each " +
      "connection, of all connections together; the one that is just being rewritten takes up to " +
      "15 times its size more.",
  },
  {
    name: "capture-timeout",
    variable: "CAPTURE_TIMEOUT",
    value: "DURATION",
    defaultValue: "30s",
    help:
      "How long a reply that is rewritten may take to come whole, and then a client to take one " +
      "that is longer than that; 0 is for ever.",
  },
  {
    name: "threads",
    variable: "THREADS",
    value: "COUNT|auto",
    defaultValue: "1",
    help: "How many threads serve clients, 1 to 64; auto is as many as the machine has cores. " +
      "More than one needs Linux.",
  },
  {
    name: "shutdown-grace",
    variable: "SHUTDOWN_GRACE",
    value: "DURATION",
    defaultValue: "10s",
    help: "How long replies that are under way have at the end, after SIGTERM or SIGINT.",
  },
  {
    name: "read-buffer-byte-size",
    variable: "BUF_SIZE_BYTES",
    value: "BYTES",
    defaultValue: String(DEFAULT_READ_BUFFER_BYTES),
    help: "How much of a large value is read at once, 512 to 16777216; values may be of any size.",
  },
  {
    name: "debug",
    variable: "DEBUG",
    help: "Echo all traffic on stderr, readable, with passwords shown as ***.",
  },
  {
    name: "log-level",
    variable: "LOG_LEVEL",
    value: "LEVEL",
    defaultValue: "info",
    help: "The least of debug, info, warning and error that is logged.",
  },
  {
    name: "log-format",
    variable: "LOG_FORMAT",
    value: "FORMAT",
    defaultValue: "text",
    help: "Either text or json, which is one object a line.",
  },
  {
    name: "check",
    help:
      "Find the cluster, print which port stands for which node, try to listen on the ports and " +
      "to write the files, and exit with 0, or with 1 if anything of that fails.",
  },
  { name: "help", help: "Print this text." },
  { name: "version", help: "Print the version." },
  {
    name: "start-delay",
    variable: "START_DELAY",
    envOnly: true,
    value: "SECONDS",
    defaultValue: "0",
    help: "A variable only, and not needed: sleep before the start, although the proxy waits " +
      "until the cluster is ready.",
  },
] as const satisfies readonly Option<string>[];

/** The name of a setting. */
export type OptionName = (typeof rows)[number]["name"];

/** Every setting there is, in the order of the help. */
export const OPTIONS: readonly Option<OptionName>[] = rows;

/** The word in front of the flags, or undefined. */
export function readSubcommand(args: readonly string[]): (typeof WORDS)[number] | undefined {
  return WORDS.find((word) => word === args[0]);
}

/**
 * Reads every setting from the arguments, else from its environment variable unless that is
 * empty, else from its default. The values are not looked at.
 *
 * @throws {ConfigError} for an argument that is no flag, or a flag without its value
 */
export function readOptions(
  args: readonly string[],
  env: (name: string) => string | undefined,
): RawOptions {
  const flags = parseArgs(normalize(args), { string: OPTIONS.flatMap(flagsOf) });
  const settings = new Map<OptionName, RawValue>();
  for (const setting of OPTIONS) {
    const { name, variable, defaultValue } = setting;
    const [flag, other] = flagsOf(setting).flatMap((flag) => {
      const text = flags[flag];
      return typeof text === "string" ? { text, source: `--${flag}` } : [];
    });
    if (other !== undefined) {
      throw new ConfigError(`Both ${flag!.source} and ${other.source} are given; expected one`);
    }
    const fromEnv = variable === undefined ? undefined : env(variable);
    if (flag !== undefined) settings.set(name, flag);
    else if (variable !== undefined && fromEnv) {
      settings.set(name, { text: fromEnv, source: variable });
    } else if (defaultValue !== undefined) {
      settings.set(name, { text: defaultValue, source: `--${name}` });
    }
  }
  return settings;
}

/** The text of `--help`: every setting, at most 100 columns wide. */
export function helpText(): string {
  const lines = [
    "Lets clients outside a NAT use a whole Redis Cluster, through one public port for each node.",
    "",
    "Usage: redis-cluster-nat [server] [options]",
    "       redis-cluster-nat healthcheck [options]",
    "",
    "With healthcheck, asks a proxy that runs with the same options whether it serves, and exits",
    "with 0 or 1.",
    "",
  ];
  for (const setting of OPTIONS) {
    const sources = [
      !setting.envOnly && setting.variable,
      setting.defaultValue !== undefined && `default ${setting.defaultValue}`,
    ].filter(Boolean);
    const help = setting.help + (sources.length > 0 ? ` [${sources.join(", ")}]` : "");
    let title = usage(setting);
    for (const line of wrap(help, HELP_COLUMNS - HELP_INDENT)) {
      lines.push(`  ${title}`.padEnd(HELP_INDENT) + line);
      title = "";
    }
  }
  lines.push(
    "",
    "The name in brackets is the environment variable that sets the same; the flag wins, and an",
    "empty variable counts as none. Flags may be written in camelCase too, with one dash or two,",
    "and with '=' or a space before the value; a value that is itself a flag needs the '='.",
    "--debug, --check, --help and --version take no value, or one after '=': true or false.",
  );
  return lines.join("\n") + "\n";
}

/** A flag in kebab-case, and what it sets. */
interface Flag {
  readonly name: string;
  readonly setting: Option<OptionName>;
}

/** Each spelling of a flag, without dashes. */
const flagsBySpelling = new Map<string, Flag>();
for (const setting of OPTIONS) {
  for (const name of flagsOf(setting)) {
    const flag = { name, setting };
    flagsBySpelling.set(name, flag);
    const camelCase = name.replace(/-(.)/g, (_dash, letter) => letter.toUpperCase());
    flagsBySpelling.set(camelCase, flag);
    if (name === "help") flagsBySpelling.set("h", flag);
  }
}

/** The flags that set a setting, in kebab-case. */
function flagsOf({ name, alias, envOnly }: Option<OptionName>): string[] {
  if (envOnly) return [];
  return alias === undefined ? [name] : [name, alias];
}

/**
 * Gives every flag the one form `--kebab-case=value`. What follows a flag that takes a value is
 * its value, with a dash in front or not, as in Go's flag package and getopt; but a flag of ours
 * is not, for it means that the value was forgotten.
 *
 * Arguments that are not understood may be parts of a password, so only names are repeated.
 */
function normalize(args: readonly string[]): string[] {
  const normalized: string[] = [];
  let previous: Flag | undefined;
  for (let at = readSubcommand(args) === undefined ? 0 : 1; at < args.length; at++) {
    const given = splitFlag(args[at]!);
    if (given === undefined) throw new ConfigError(describeStray(args[at]!, previous));
    const flag = flagsBySpelling.get(given.name);
    if (flag === undefined) throw new ConfigError(describeUnknown(given.name));
    const { name, setting } = flag;
    let value = given.value;
    if (value === undefined) {
      if (setting.value === undefined) value = "true";
      else {
        value = args[++at];
        if (value !== undefined && isFlag(value)) {
          throw new ConfigError(
            `A flag follows --${name} where its value should be; ` +
              `if it is the value, write --${name}=${setting.value}`,
          );
        }
      }
    }
    if (!value) {
      throw new ConfigError(
        setting.value === undefined
          ? `No value after --${name}=; expected true or false`
          : `No value for --${name}; write --${name}=${setting.value}`,
      );
    }
    normalized.push(`--${name}=${value}`);
    previous = flag;
  }
  return normalized;
}

function splitFlag(argument: string): { name: string; value: string | undefined } | undefined {
  const match = /^--?([^=]+)(?:=(.*))?$/s.exec(argument);
  return match === null || match[1] === "-" ? undefined : { name: match[1]!, value: match[2] };
}

function isFlag(argument: string): boolean {
  const flag = splitFlag(argument);
  return flag !== undefined && flagsBySpelling.has(flag.name);
}

function describeStray(word: string, previous: Flag | undefined): string {
  if (previous === undefined) {
    return `Unexpected word '${word}'; expected flags, and before them at most ` +
      WORDS.join(" or ");
  }
  return `Unexpected word after --${previous.name}; ` +
    (previous.setting.value === undefined
      ? `write --${previous.name}=true or --${previous.name}=false`
      : "put a value that holds spaces in quotes");
}

function describeUnknown(name: string): string {
  const near = OPTIONS.flatMap(flagsOf).find((flag) => squash(flag) === squash(name));
  return `Unknown flag --${name}; ` +
    (near === undefined ? "--help lists those there are" : `did you mean --${near}?`);
}

function squash(name: string): string {
  return name.replace(/[-_]/g, "").toLowerCase();
}

const HELP_COLUMNS = 100;

/** Wide enough for the longest flag with its value, and two spaces on both sides. */
const HELP_INDENT = 4 + Math.max(...OPTIONS.map((setting) => usage(setting).length));

function usage(setting: Option<OptionName>): string {
  const name = setting.envOnly ? setting.variable : `--${setting.name}`;
  return setting.value === undefined ? `${name}` : `${name} ${setting.value}`;
}

function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = "";
    }
    line += line === "" ? word : ` ${word}`;
  }
  return [...lines, line];
}
