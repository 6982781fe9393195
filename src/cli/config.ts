import { type HostPort, isLocalhost, isWildcard, MAX_PORT } from "../platform/address.ts";
import type { LogOptions } from "../platform/log.ts";
import type { FrontendOptions } from "../proxy/frontend_options.ts";
import type { PageSetting } from "../http/page/page_status.ts";
import type { ProxyOptions } from "../proxy/proxy.ts";
import { DEFAULT_VIEW } from "../nat/public_view.ts";
import type { HeaderVersions } from "../proxy/proxy_header.ts";
import type { NodeTlsFiles } from "../tls/tls_files.ts";
import { readBalancers } from "./balancer_options.ts";
import type { ProbedListener } from "./healthcheck.ts";
import { OptionReader, subcommand } from "./command_line.ts";
import { checkExclusive, ConfigError, invalid } from "./config_error.ts";
import { readCredentials, readLogin } from "./credential_options.ts";
import { type PublicHost, readPublicHost } from "./public_host.ts";
import { readPublicPortsFile } from "./public_ports_file.ts";
import { settingsOf } from "./settings.ts";
import {
  type ClientTls,
  readClientTls,
  readNodeTls,
  TLS_FILE_OPTIONS,
  tlsOfView,
} from "./tls_options.ts";
import { listenPortsIn, type PortOptions, readViews, type ViewOptions } from "./view_options.ts";

/**
 * The validated options: those that the layers declare, and those of the commands. Deeply frozen.
 */
export interface Config extends ProxyOptions, FrontendOptions, PublicHost, ClientTls {
  /** TLS towards nodes; undefined if they are reached without. */
  readonly clusterTls: NodeTlsFiles | undefined;
  /** Where to serve the status over HTTP; undefined for nowhere. */
  readonly httpAddress: HostPort | undefined;
  /** What the status page shows of the options; empty without `httpAddress`. */
  readonly settings: readonly PageSetting[];
  /** How long to sleep before the start. */
  readonly startDelayMs: number;
  /** How many threads serve clients. */
  readonly threads: number;
  /** How long the ports stay open once the shutdown has begun. */
  readonly drainDelayMs: number;
  /** How long the shutdown then waits for outstanding replies. */
  readonly shutdownGraceMs: number;
  readonly logLevel: LogOptions["level"];
  readonly logFormat: LogOptions["format"];
  /** Warnings about these options for the operator, one line each. */
  readonly warnings: readonly string[];
}

/** The command that the arguments select. */
export type Command =
  | { readonly kind: "help" | "version" }
  | {
    readonly kind: "healthcheck";
    /** Where the proxy may be listening. */
    readonly listeners: readonly ProbedListener[];
    /** The versions of the PROXY header that the proxy expects; undefined if it expects none. */
    readonly headerVersions: HeaderVersions | undefined;
  }
  | { readonly kind: "serve" | "check"; readonly config: Config };

/**
 * Parses the command line and the environment, and verifies that the password file is readable.
 *
 * @throws {ConfigError} for the first option that cannot be used; the message repeats no password
 */
export function parseCommand(
  args: readonly string[],
  env: (name: string) => string | undefined,
): Command {
  const options = new OptionReader(args, env);
  if (options.get("help")) return { kind: "help" };
  if (options.get("version")) return { kind: "version" };
  const ports = {
    listen: readListen(options),
    maxNodes: options.get("max-nodes"),
    staticMappings: (options.get("port-map") ?? []).map(({ node, port }) => ({ node, port })),
  };
  checkRange(ports);
  const views = readViews(options, ports);
  if (subcommand(args) === "healthcheck") {
    const listeners = probedListeners(options, { ...ports, ...views });
    const headerVersions = options.get("accept-proxy-protocol");
    return { kind: "healthcheck", listeners, headerVersions };
  }
  const config = freeze(readConfig(options, { ...ports, ...views }));
  return { kind: options.get("check") ? "check" : "serve", config };
}

function readConfig(
  options: OptionReader,
  ports: PortOptions & ViewOptions,
): Config {
  checkFiles(options);
  const warnings: string[] = [];
  const credentials = readCredentials(options, warnings);
  return {
    ...ports,
    seeds: readSeeds(options),
    ...readPublicHost(options, ports.listen.host, warnings),
    ...readPublicPortsFile(options),
    credentials,
    login: options.get("login") ? readLogin(options, ports, credentials) : undefined,
    balancers: readBalancers(options),
    ...readClientTls(options, ports.otherViews),
    clusterTls: readNodeTls(options),
    via: options.get("via"),
    dialMap: options.get("dial-map") ?? [],
    startTimeoutMs: readStartTimeout(options),
    refreshIntervalMs: options.get("refresh-interval"),
    forgetAfterMs: options.get("forget-after"),
    stateFile: options.get("state-file"),
    sharedPorts: readSharedPorts(options, ports.listen),
    mapFile: options.get("map-file"),
    startDelayMs: readStartDelay(options, warnings),
    maxConnections: readMaxConnections(options),
    connectTimeoutMs: options.get("connect-timeout"),
    idleTimeoutMs: options.get("idle-timeout"),
    keepAlive: options.get("keepalive"),
    captureLimitBytes: options.get("capture-limit"),
    captureTimeoutMs: options.get("capture-timeout"),
    threads: options.get("threads"),
    drainDelayMs: options.get("drain-delay"),
    shutdownGraceMs: options.get("shutdown-grace"),
    httpAddress: readHttpAddress(options, ports),
    settings: options.isSet("http-addr") ? settingsOf(options) : [],
    readBufferBytes: options.get("read-buffer-byte-size"),
    echo: options.get("debug") ?? false,
    accessLog: readAccessLog(options, warnings),
    logLevel: options.get("log-level"),
    logFormat: options.get("log-format"),
    warnings,
  };
}

/** Nodes that are reached from elsewhere are for this machine only, unless --listen-addr is set. */
function readListen(options: OptionReader): HostPort {
  const listen = options.get("listen-addr");
  const isRemote = options.isSet("via") || options.isSet("dial-map");
  return isRemote && !options.isSet("listen-addr") ? { ...listen, host: "127.0.0.1" } : listen;
}

function checkRange({ listen: { port: first }, maxNodes }: PortOptions): void {
  const last = first + maxNodes - 1;
  // Port 0 stands for any free ports, which form no range.
  if (first === 0 || last <= MAX_PORT) return;
  throw new ConfigError(
    `Ports ${first} to ${last} exceed ${MAX_PORT}; ` +
      `lower the port of --listen-addr or lower --max-nodes (now ${maxNodes})`,
  );
}

/** The port must be none of those for nodes, even where both hosts could have it. */
function readHttpAddress(
  options: OptionReader,
  ports: PortOptions & ViewOptions,
): HostPort | undefined {
  const address = options.get("http-addr");
  if (address === undefined || address.port === 0) return address;
  const views = [{ listen: ports.listen }, ...ports.otherViews];
  if (views.every((view) => !listenPortsIn(view, ports).includes(address.port))) return address;
  throw invalid(
    options.raw("http-addr")!,
    "the port is one of those for nodes (--listen-addr, --max-nodes, --port-map, --view); " +
      "expected another",
  );
}

/** The listeners that a proxy with these options may have on this machine, in all views. */
function probedListeners(
  options: OptionReader,
  ports: PortOptions & ViewOptions,
): ProbedListener[] {
  const tls = readClientTls(options, ports.otherViews);
  const views = [{ name: DEFAULT_VIEW, listen: ports.listen }, ...ports.otherViews];
  const listeners = views.flatMap((view): ProbedListener[] => {
    const { host } = view.listen;
    const includesLoopback = isWildcard(host) || isLocalhost(host);
    const hosts = includesLoopback ? ["127.0.0.1", "::1"] : [host];
    const clientAuth = tlsOfView(view.name, tls)?.clientAuth;
    return listenPortsIn(view, ports).map((port) => ({ hosts, port, clientAuth }));
  });
  if (listeners.length > 0) return listeners;
  throw new ConfigError(
    "The ports of the proxy are not known, because the port of --listen-addr is 0; " +
      "set it for the proxy and the health check, or fix a port with --port-map",
  );
}

/** Rejects files that would overwrite each other, or a file that is read. */
function checkFiles(options: OptionReader): void {
  const read = ["password-file", "public-ports-file", ...TLS_FILE_OPTIONS] as const;
  const files = read.flatMap((name) => options.raw(name) ?? []);
  for (const { certificates, key, ca } of options.get("view-tls") ?? []) {
    files.push(certificates, key, ...ca === undefined ? [] : [ca]);
  }
  for (const name of ["state-file", "map-file"] as const) {
    const written = options.raw(name);
    if (written === undefined) continue;
    const same = files.find(({ text }) => isSamePath(text, written.text));
    if (same !== undefined) {
      throw invalid(written, `${same.source} names the same file; expected a different one`);
    }
    files.push(written);
  }
}

function isSamePath(one: string, other: string): boolean {
  // Loaded only when paths are compared: importing it would add milliseconds to every start.
  const { resolve } = globalThis.process.getBuiltinModule("node:path");
  return resolve(one) === resolve(other);
}

/** The key of the shared ports, which are the same in all proxies. */
function readSharedPorts(options: OptionReader, listen: HostPort): string | undefined {
  const raw = options.raw("shared-ports");
  if (raw === undefined) return undefined;
  if (listen.port !== 0) return raw.text;
  throw new ConfigError(
    `With ${raw.source} all proxies have the same ports, but the port of --listen-addr is 0; ` +
      "set it to the first port, the same in all proxies",
  );
}

function readSeeds(options: OptionReader): readonly HostPort[] {
  const address = options.get("cluster-addr");
  if (address !== undefined) return address.seeds;
  throw new ConfigError("No cluster is given; set --cluster-addr or CLUSTER_ADDR to host:port");
}

/** With --check a person waits for the answer. */
const CHECK_TIMEOUT_MS = 5000;

function readStartTimeout(options: OptionReader): number {
  const isCheck = options.get("check") && !options.isSet("start-timeout");
  return isCheck ? CHECK_TIMEOUT_MS : options.get("start-timeout");
}

function readStartDelay(options: OptionReader, warnings: string[]): number {
  const delayMs = options.get("start-delay");
  if (delayMs > 0) {
    warnings.push(
      `START_DELAY delays the start by ${delayMs / 1000} s; ` +
        "remove it, the proxy waits until the cluster is ready",
    );
  }
  return delayMs;
}

function readAccessLog(options: OptionReader, warnings: string[]): boolean {
  if (!options.get("access-log")) return false;
  const level = options.get("log-level");
  if (level !== "debug" && level !== "info") {
    const { source } = options.raw("access-log")!;
    warnings.push(`${source} logs at level info, so nothing is logged with --log-level=${level}`);
  }
  return true;
}

function readMaxConnections(options: OptionReader): number {
  checkExclusive(options.raw("max-connections"), options.raw("number-of-buffers"));
  const buffers = options.get("number-of-buffers");
  if (buffers !== undefined) return Math.max(1, Math.floor(buffers / 2));
  return options.get("max-connections") ?? Infinity;
}

function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  Object.values(value).forEach(freeze);
  return Object.freeze(value);
}
