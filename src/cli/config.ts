import { resolve } from "node:path";
import {
  canonicalHost,
  formatHostPort,
  type HostPort,
  isHostName,
  isIpv6,
  isLocalhost,
  isWildcard,
  LAST_PORT,
  parseHostPort,
} from "../platform/address.ts";
import { type Credentials, passwordIn } from "../cluster/credentials.ts";
import type { StaticMapping } from "../nat/port_allocator.ts";
import type { LogOptions } from "../platform/log.ts";
import { LONGEST_TIMER_MS } from "../platform/timeout.ts";
import {
  ConfigError,
  type RawOptions,
  type RawValue,
  readOptions,
  readSubcommand,
} from "./options.ts";

export { ConfigError, DEFAULT_CAPTURE_LIMIT_BYTES, DEFAULT_READ_BUFFER_BYTES } from "./options.ts";

/** What the operator asks of the program; checked, and frozen all through. */
export interface Config {
  /** The first listener: host "" is every interface, port 0 takes free ports. */
  readonly listen: HostPort;
  /** Nodes to ask about the cluster, in turn; one at least. */
  readonly seeds: readonly HostPort[];
  /** The host name or IP address that clients are given; IPv6 without brackets. */
  readonly publicHost: string;
  /** Nobody said the public host, so it is 127.0.0.1. */
  readonly publicHostAssumed: boolean;
  /** The number of ports of the range, which no cluster may outgrow. */
  readonly maxNodes: number;
  /** Nodes whose port the operator chose, inside the range or outside; no node or port twice. */
  readonly pins: readonly StaticMapping[];
  /** Those of the proxy's own connection to the cluster. */
  readonly credentials: Credentials | undefined;
  /** How long to wait for the cluster to be ready; Infinity is for ever. */
  readonly startTimeoutMs: number;
  /** How often to ask the cluster who is there; Infinity is only when there is a reason. */
  readonly refreshIntervalMs: number;
  /** How long a node that the cluster has forgotten keeps its port; 0 is not at all. */
  readonly forgetAfterMs: number;
  /** Keeps the ports of all nodes over a restart. */
  readonly stateFile: string | undefined;
  /** Tells other programs which port stands for which node. */
  readonly mapFile: string | undefined;
  /** How long to sleep before anything else. */
  readonly startDelayMs: number;
  /** How many client connections are served at once; Infinity is no limit. */
  readonly maxConnections: number;
  /** How long a node may take to accept a connection. */
  readonly connectTimeoutMs: number;
  /** How long neither side of a connection may send anything; Infinity is no limit. */
  readonly idleTimeoutMs: number;
  /** Whether the system probes silent connections. */
  readonly keepAlive: boolean;
  /** How much is kept at once of replies that are to be rewritten, of all connections together. */
  readonly captureLimitBytes: number;
  /** How long such a reply may take to come, and a client to take it; Infinity is no limit. */
  readonly captureTimeoutMs: number;
  /** In how many threads clients are served. */
  readonly threads: number;
  /** How long replies that are under way have at the end. */
  readonly shutdownGraceMs: number;
  /** The size of the buffers into which large values are read. */
  readonly readBufferBytes: number;
  /** Whether all traffic is shown. */
  readonly echo: boolean;
  readonly logLevel: LogOptions["level"];
  readonly logFormat: LogOptions["format"];
  /** What the operator should know about the settings, a line each. */
  readonly warnings: readonly string[];
}

/** What the command line says to do. */
export type Command =
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  | { readonly kind: "healthcheck"; readonly addresses: readonly HostPort[] }
  | { readonly kind: "run"; readonly config: Config; readonly check: boolean };

/** The port of a Redis server that does not say another. */
const REDIS_PORT = 6379;

/** One listener each; far above the clusters that are, far below the ports that there are. */
const MAX_NODES_LIMIT = 1024;

/** Ten looks a second see every change in time; a shorter interval is a mistake of units. */
const MIN_REFRESH_MS = 100;

/** As many cores as large machines have; each thread takes memory whether it has work or not. */
const MAX_THREADS = 64;

/** Below, a read carries few commands and its cost is all that is left to see. */
const MIN_READ_BUFFER_BYTES = 512;

/** Above, a hundred connections hold gigabytes, and no socket has that much at hand at once. */
const MAX_READ_BUFFER_BYTES = 16 * 1024 * 1024;

/** The reply to CLUSTER NODES of the largest clusters there are fits. */
const MIN_CAPTURE_LIMIT_BYTES = 1024 * 1024;

/** Strings of the runtime end at half of that. */
const MAX_CAPTURE_LIMIT_BYTES = 1024 * 1024 * 1024;

/** As `CLUSTER MYID` gives it, in letters of any case. */
const NODE_ID = /^[\da-f]{40}$/i;

const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** What variables and flags that are on or off may say. */
const SWITCH: Record<string, boolean> = {
  "1": true,
  true: true,
  yes: true,
  on: true,
  "0": false,
  false: false,
  no: false,
  off: false,
};

const LOG_LEVELS: Record<string, LogOptions["level"]> = {
  debug: "debug",
  info: "info",
  warning: "warning",
  warn: "warning",
  error: "error",
};

const LOG_FORMATS: Record<string, LogOptions["format"]> = { text: "text", json: "json" };

/**
 * Reads the whole configuration, and finds out whether the password file can be read.
 *
 * @throws {ConfigError} for the first setting that cannot be used; no message repeats a password
 */
export function readConfig(
  args: readonly string[],
  env: (name: string) => string | undefined,
): Command {
  const settings = readOptions(args, env);
  if (readChoice(settings.get("help"), SWITCH)) return { kind: "help" };
  if (readChoice(settings.get("version"), SWITCH)) return { kind: "version" };
  const check = readChoice(settings.get("check"), SWITCH) ?? false;

  const warnings: string[] = [];
  const listen = readListen(settings.get("listen-addr")!);
  const maxNodes = readCount(settings.get("max-nodes")!, 1, MAX_NODES_LIMIT);
  checkRange(listen.port, maxNodes);
  const pins = readPins(settings.get("port-map"));
  if (readSubcommand(args) === "healthcheck") {
    return { kind: "healthcheck", addresses: publicAddresses(listen, maxNodes, pins) };
  }
  checkFiles(settings);
  const config: Config = {
    listen,
    seeds: readSeeds(settings.get("cluster-addr")),
    ...readPublicHost(settings.get("public-host"), listen.host, warnings),
    maxNodes,
    pins,
    credentials: readCredentials(settings, warnings),
    startTimeoutMs: readDuration(settings.get("start-timeout")!) || Infinity,
    refreshIntervalMs: readRefreshInterval(settings.get("refresh-interval")!),
    forgetAfterMs: readDuration(settings.get("forget-after")!),
    stateFile: settings.get("state-file")?.text,
    mapFile: settings.get("map-file")?.text,
    startDelayMs: readStartDelay(settings.get("start-delay")!, warnings),
    maxConnections: readMaxConnections(settings),
    connectTimeoutMs: readConnectTimeout(settings.get("connect-timeout")!),
    idleTimeoutMs: readDuration(settings.get("idle-timeout")!) || Infinity,
    keepAlive: readChoice(settings.get("keepalive"), SWITCH)!,
    captureLimitBytes: readCount(
      settings.get("capture-limit")!,
      MIN_CAPTURE_LIMIT_BYTES,
      MAX_CAPTURE_LIMIT_BYTES,
    ),
    captureTimeoutMs: readDuration(settings.get("capture-timeout")!) || Infinity,
    threads: readThreads(settings.get("threads")!),
    shutdownGraceMs: readDuration(settings.get("shutdown-grace")!),
    readBufferBytes: readCount(
      settings.get("read-buffer-byte-size")!,
      MIN_READ_BUFFER_BYTES,
      MAX_READ_BUFFER_BYTES,
    ),
    echo: readChoice(settings.get("debug"), SWITCH) ?? false,
    logLevel: readChoice(settings.get("log-level"), LOG_LEVELS)!,
    logFormat: readChoice(settings.get("log-format"), LOG_FORMATS)!,
    warnings,
  };
  return { kind: "run", config: freeze(config), check };
}

function readListen(given: RawValue): HostPort {
  return readAddress(given, given.text, "expected [host]:port, such as :8000");
}

function checkRange(firstPort: number, maxNodes: number): void {
  const lastPort = firstPort + maxNodes - 1;
  // Free ports are anywhere.
  if (firstPort === 0 || lastPort <= LAST_PORT) return;
  throw new ConfigError(
    `Ports ${firstPort} to ${lastPort} run past ${LAST_PORT}; ` +
      `lower the port of --listen-addr or lower --max-nodes (now ${maxNodes})`,
  );
}

/** Where this machine reaches the ports that a proxy with these settings may listen on. */
function publicAddresses(
  listen: HostPort,
  maxNodes: number,
  pins: readonly StaticMapping[],
): HostPort[] {
  const range = listen.port === 0 ? 0 : maxNodes;
  const ports = new Set(Array.from({ length: range }, (_, index) => listen.port + index));
  for (const { port } of pins) ports.add(port);
  if (ports.size === 0) {
    throw new ConfigError(
      "Cannot tell at which free ports the proxy listens; " +
        "set the port of --listen-addr for both, or pin a port with --port-map",
    );
  }
  const everywhere = isWildcard(listen.host) || isLocalhost(listen.host);
  const hosts = everywhere ? ["127.0.0.1", "::1"] : [listen.host];
  return [...ports].flatMap((port) => hosts.map((host) => ({ host, port })));
}

/** What is written to a file must not replace a password, nor the one mapping the other. */
function checkFiles(settings: RawOptions): void {
  const names = ["password-file", "state-file", "map-file"] as const;
  const files = names.flatMap((name) => settings.get(name) ?? []);
  for (const [at, file] of files.entries()) {
    const same = files.slice(0, at).find(({ text }) => resolve(text) === resolve(file.text));
    if (same === undefined) continue;
    throw refusal(file, `${same.source} is the same file; expected one of its own`);
  }
}

function readPins(given: RawValue | undefined): StaticMapping[] {
  if (given === undefined) return [];
  const entries = given.text.split(",").map((text) => ({
    source: given.source,
    text: text.trim(),
  }));
  const pins: StaticMapping[] = [];
  for (const entry of entries) {
    const pin = readPin(entry);
    const port = pins.findIndex(({ port }) => port === pin.port);
    const node = pins.findIndex(({ node }) => nameOf(node) === nameOf(pin.node));
    if (node >= 0) {
      throw refusal(entry, `${quote(entries[node]!.text)} has the node; expected each node once`);
    }
    if (port >= 0) {
      throw refusal(entry, `${quote(entries[port]!.text)} has the port; expected each port once`);
    }
    pins.push(pin);
  }
  return pins;
}

function readPin(given: RawValue): StaticMapping {
  const expected = "expected ID=PORT or HOST:PORT=PORT, several separated by commas";
  const [, name, digits] = /^([^=]+)=(\d+)$/.exec(given.text) ?? [];
  if (name === undefined) throw refusal(given, expected);
  const port = Number(digits);
  if (port === 0 || port > LAST_PORT) {
    throw refusal(given, `the public port is not from 1 to ${LAST_PORT}; ${expected}`);
  }
  if (NODE_ID.test(name)) return { node: name.toLowerCase(), port };
  const node = readAddress(given, name, expected);
  if (isWildcard(node.host)) throw refusal(given, `no node has that host; ${expected}`);
  if (node.port === 0) throw refusal(given, `the node's port is 0; ${expected}`);
  return { node: { host: canonicalHost(node.host), port: node.port }, port };
}

function nameOf(node: StaticMapping["node"]): string {
  return typeof node === "string" ? node : formatHostPort(node);
}

function readSeeds(given: RawValue | undefined): HostPort[] {
  const expected = "expected host:port of a node, or several separated by commas";
  if (given === undefined) {
    throw new ConfigError(`No --cluster-addr and no CLUSTER_ADDR; ${expected}`);
  }
  if (/@|:\/\//.test(given.text)) {
    // It may hold a password, so it is not repeated.
    throw new ConfigError(
      `Cannot use the URL in ${given.source}; ${expected}, and --username and --password apart`,
    );
  }
  return given.text.split(",").map((entry) => {
    const seed = readAddress(given, entry.trim(), expected, REDIS_PORT);
    if (seed.host === "") throw refusal(given, `a host is missing; ${expected}`);
    if (seed.port === 0) throw refusal(given, `a port is 0; ${expected}`);
    return seed;
  });
}

function readAddress(
  given: RawValue,
  text: string,
  expected: string,
  defaultPort?: number,
): HostPort {
  try {
    return parseHostPort(text, defaultPort);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new ConfigError(`${error.message} in ${given.source} ${quote(text)}; ${expected}`);
  }
}

function readPublicHost(
  given: RawValue | undefined,
  listenHost: string,
  warnings: string[],
): Pick<Config, "publicHost" | "publicHostAssumed"> {
  if (given === undefined) {
    if (isWildcard(listenHost)) return { publicHost: "127.0.0.1", publicHostAssumed: true };
    const publicHost = isLocalhost(listenHost) ? "127.0.0.1" : listenHost;
    return { publicHost, publicHostAssumed: false };
  }
  const host = given.text.trim().replace(/^\[(.*)\]$/, "$1");
  const expected = "expected the host name or IP address that clients connect to";
  if (isWildcard(host)) throw refusal(given, `no client can connect to it; ${expected}`);
  if (/^(\[.*\]|[^:]*):[^:]*$/.test(given.text)) {
    throw refusal(given, "it has a port; leave that out, each node's own port is added");
  }
  if (!isIpv6(host) && (!isHostName(host) || host !== given.text.trim())) {
    throw refusal(given, `it is neither a host name nor an IP address; ${expected}`);
  }
  if (isLocalhost(host)) {
    // Clients that resolve it may try ::1 first, and an address is the same for all of them.
    warnings.push(
      `${given.source} '${given.text}' is given to clients as 127.0.0.1, ` +
        "which is this machine only",
    );
    return { publicHost: "127.0.0.1", publicHostAssumed: false };
  }
  return { publicHost: host, publicHostAssumed: false };
}

function readCredentials(settings: RawOptions, warnings: string[]): Config["credentials"] {
  const username = settings.get("username");
  const password = settings.get("password");
  const file = settings.get("password-file");
  if (password !== undefined && file !== undefined) {
    throw new ConfigError(`Both ${password.source} and ${file.source} are given; expected one`);
  }
  if (password === undefined && file === undefined) {
    if (username === undefined) return undefined;
    throw refusal(username, "there is no password; add --password or --password-file");
  }
  if (file !== undefined) checkPasswordFile(file, warnings);
  return { username: username?.text, password: password?.text ?? { file: file!.text } };
}

/** The mode bits by which users that are neither the owner nor of the group have any access. */
const OTHERS = 0o007;

/** Finds out whether there is a password; it is read again for each connection. */
function checkPasswordFile(given: RawValue, warnings: string[]): void {
  let text: string;
  let mode: number | null;
  try {
    text = Deno.readTextFileSync(given.text);
    // Windows has none.
    mode = Deno.statSync(given.text).mode;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`Cannot read the file of ${given.source}: ${reason}`, { cause: error });
  }
  if (passwordIn(text) === "") throw refusal(given, "the file is empty; expected a password in it");
  // No refusal, for Docker mounts secrets so.
  if (Deno.build.os !== "windows" && mode !== null && (mode & OTHERS) !== 0) {
    warnings.push(
      `The file of ${given.source} can be read or written by every user of the machine; ` +
        `chmod o= ${quote(given.text)} keeps the password from them`,
    );
  }
}

/** In milliseconds; 0 only for a duration of zero. */
function readDuration(given: RawValue): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(given.text) ?? [];
  if (given.text === "0") return 0;
  if (number === undefined || unit === undefined) {
    throw refusal(given, "expected a number and ms, s, m or h, such as 500ms or 60s, or 0");
  }
  return toTimerMs(given, Number(number) * UNIT_MS[unit]!);
}

function readRefreshInterval(given: RawValue): number {
  const intervalMs = readDuration(given);
  if (intervalMs > 0 && intervalMs < MIN_REFRESH_MS) {
    throw refusal(given, `it is too short; expected at least ${MIN_REFRESH_MS}ms, or 0`);
  }
  return intervalMs || Infinity;
}

function readStartDelay(given: RawValue, warnings: string[]): number {
  if (!/^\d+(\.\d+)?$/.test(given.text)) {
    throw refusal(given, "expected a number of seconds, such as 5");
  }
  const delayMs = toTimerMs(given, Number(given.text) * 1000);
  if (delayMs > 0) {
    warnings.push(
      `${given.source} only delays the start by ${given.text} s; ` +
        "leave it out, the proxy waits until the cluster is ready",
    );
  }
  return delayMs;
}

function toTimerMs(given: RawValue, ms: number): number {
  if (ms > LONGEST_TIMER_MS) throw refusal(given, "it is too long; expected at most 24 days");
  // Whole, and never 0 by rounding: 0 has a meaning of its own.
  return ms === 0 ? 0 : Math.max(1, Math.round(ms));
}

function readMaxConnections(settings: RawOptions): number {
  const connections = settings.get("max-connections");
  const buffers = settings.get("number-of-buffers");
  if (connections !== undefined && buffers !== undefined) {
    throw new ConfigError(
      `Both ${connections.source} and ${buffers.source} are given; expected one`,
    );
  }
  if (connections !== undefined) return readCount(connections, 1, Number.MAX_SAFE_INTEGER);
  if (buffers === undefined) return Infinity;
  return Math.max(1, Math.floor(readCount(buffers, 1, Number.MAX_SAFE_INTEGER) / 2));
}

function readThreads(given: RawValue): number {
  // Elsewhere the system does not share a port out among several listeners.
  const most = Deno.build.os === "linux" ? MAX_THREADS : 1;
  if (given.text.toLowerCase() === "auto") return Math.min(navigator.hardwareConcurrency, most);
  const expected = `a whole number from 1 to ${MAX_THREADS}, or auto`;
  const threads = /^\d+$/.test(given.text) ? Number(given.text) : NaN;
  if (!(threads >= 1 && threads <= MAX_THREADS)) throw refusal(given, `expected ${expected}`);
  if (threads > most) throw refusal(given, "only Linux shares ports among threads; expected 1");
  return threads;
}

function readConnectTimeout(given: RawValue): number {
  const timeoutMs = readDuration(given);
  if (timeoutMs === 0) throw refusal(given, "no node connects in no time; expected more than 0");
  return timeoutMs;
}

function readCount(given: RawValue, min: number, max: number): number {
  const count = /^\d+$/.test(given.text) ? Number(given.text) : NaN;
  if (count >= min && count <= max) return count;
  throw refusal(given, `expected a whole number from ${min} to ${max}`);
}

/** The value that a word stands for, in any case of letters; undefined if none is given. */
function readChoice<T>(given: RawValue | undefined, choices: Record<string, T>): T | undefined {
  if (given === undefined) return undefined;
  const word = given.text.toLowerCase();
  if (Object.hasOwn(choices, word)) return choices[word];
  throw refusal(given, `expected one of ${Object.keys(choices).join(", ")}`);
}

function refusal(given: RawValue, reason: string): ConfigError {
  return new ConfigError(`Cannot use ${given.source} ${quote(given.text)}: ${reason}`);
}

/** What stands before an @ may be the password of a URL. */
function quote(text: string): string {
  return `'${text.replace(/^.*@/s, "***@")}'`;
}

function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  Object.values(value).forEach(freeze);
  return Object.freeze(value);
}
