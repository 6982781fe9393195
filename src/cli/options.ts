import { clusterAddress } from "./cluster_address.ts";
import {
  booleanFlag,
  count,
  duration,
  listenAddress,
  localAddress,
  logFormat,
  logLevel,
  onOff,
  type OptionType,
  positiveDuration,
  seconds,
  secret,
  text,
  threadCount,
} from "./option_types.ts";
import { BALANCER_OPTION_ROWS } from "./balancer_option_rows.ts";
import { dialMap } from "./dial_map.ts";
import type { Option } from "./option.ts";
import { portMap } from "./port_map.ts";
import { TLS_OPTION_ROWS } from "./tls_option_rows.ts";
import { viaTunnel } from "./via.ts";
import { VIEW_OPTION_ROWS } from "./view_option_rows.ts";

/**
 * The default size of a read buffer, in bytes. It does not matter for small requests. Values of
 * 1 MiB arrive at 0.38, 0.57, 0.65, 0.62 and 0.66 of the throughput of a direct connection with
 * buffers of 8, 16, 32, 64 and 128 KiB, and each client has two buffers.
 */
export const DEFAULT_READ_BUFFER_BYTES = 32 * 1024;

/**
 * The default limit on captured replies, in bytes. CLUSTER SLOTS of a thousand nodes where every
 * slot is a range takes about 10 MB, and CLIENT LIST about 400 bytes a client.
 */
export const DEFAULT_CAPTURE_LIMIT_BYTES = 64 * 1024 * 1024;

/** Far more than the nodes of any known cluster, and far fewer than there are ports. */
const MAX_NODES_LIMIT = 1024;

/** Ten queries a second notice every change in time. A shorter interval has the wrong unit. */
const MIN_REFRESH_MS = 100;

/** With a smaller buffer a read holds a few commands, and the cost of reads dominates. */
const MIN_READ_BUFFER_BYTES = 512;

/** With a larger one a hundred connections take gigabytes, and no read fills such a buffer. */
const MAX_READ_BUFFER_BYTES = 16 * 1024 * 1024;

/** Holds CLUSTER NODES of the largest known clusters. */
const MIN_CAPTURE_LIMIT_BYTES = 1024 * 1024;

/** Twice the longest string of V8. */
const MAX_CAPTURE_LIMIT_BYTES = 1024 * 1024 * 1024;

const OPTION_ROWS = [
  {
    name: "listen-addr",
    env: "LISTEN_ADDR",
    type: listenAddress,
    default: ":8000",
    help:
      "Address to listen on for the first node; further nodes get the next ports. With PORT 0 all nodes get free ports.",
  },
  {
    name: "cluster-addr",
    env: "CLUSTER_ADDR",
    type: clusterAddress,
    help: "Required: one or more nodes of the cluster; a host name stands for all its addresses; " +
      "the default port is 6379. URLs are accepted, too: redis://user:password@host:port, and " +
      "rediss:// for TLS.",
  },
  ...VIEW_OPTION_ROWS,
  {
    name: "max-nodes",
    env: "MAX_NODES",
    type: count(1, MAX_NODES_LIMIT),
    default: "64",
    help: `Size of the port range, 1 to ${MAX_NODES_LIMIT}.`,
  },
  {
    name: "port-map",
    env: "PORT_MAP",
    type: portMap,
    help: "Fixed ports, inside the port range or outside; NODE is a node id or a private " +
      "HOST:PORT, with brackets around IPv6. PUBLIC is the port at which clients reach LISTEN, if " +
      "that is another.",
  },
  {
    name: "via",
    env: "VIA",
    type: viaTunnel,
    help: "Reach the nodes through a SOCKS5 proxy, such as that of ssh -D, or an HTTP proxy with " +
      "CONNECT: socks5://HOST:PORT or http://HOST:PORT, with USER:PASSWORD@ before HOST if it " +
      "wants a login. Names are resolved at the far end.",
  },
  {
    name: "dial-map",
    env: "DIAL_MAP",
    type: dialMap,
    help: "Dial nodes at other addresses than they announce, as for one port forward per node; " +
      "each side is a HOST:PORT, a HOST or *:PORT. What clients are shown does not change.",
  },
  {
    name: "username",
    env: "CLUSTER_USERNAME",
    type: text("NAME"),
    help: "User of the proxy's own connections to the cluster; clients authenticate themselves.",
  },
  {
    name: "password",
    env: "CLUSTER_PASSWORD",
    type: secret("PASSWORD"),
    help: "Password of these connections; other users of the machine can see flags, so prefer " +
      "the variable or a file.",
  },
  {
    name: "password-file",
    env: "CLUSTER_PASSWORD_FILE",
    type: text("PATH"),
    help: "File with this password, read again for each connection; a trailing line break is " +
      "ignored.",
  },
  {
    name: "login",
    env: "LOGIN",
    type: booleanFlag,
    help: "Log each client in at its node with this user and password, so that clients need no " +
      "secret: whoever reaches a public port is that user. It needs a loopback address in " +
      "--listen-addr, or --tls-auth-clients=yes.",
  },
  ...TLS_OPTION_ROWS,
  ...BALANCER_OPTION_ROWS,
  {
    name: "start-timeout",
    env: "START_TIMEOUT",
    type: duration({ zero: Infinity }),
    default: "60s",
    help: "How long to wait for a cluster with assigned slots, such as 500ms, 60s, 5m or 1h; 0 " +
      "waits without a limit. With --check, 5s by default.",
  },
  {
    name: "refresh-interval",
    env: "REFRESH_INTERVAL",
    type: duration({ zero: Infinity, minMs: MIN_REFRESH_MS }),
    default: "10s",
    help: `How often to query the cluster topology, at least ${MIN_REFRESH_MS}ms; 0 queries only ` +
      "after a sign of a change, such as a redirect to an unknown node.",
  },
  {
    name: "forget-after",
    env: "FORGET_AFTER",
    type: duration(),
    // For 60 s after a CLUSTER FORGET the nodes refuse to add the node again (cluster_legacy.c
    // CLUSTER_BLACKLIST_TTL). Ten times that suffices to forget a node and bring it back.
    default: "10m",
    help:
      "How long a node keeps its port after the cluster has forgotten it; 0 frees the port at " +
      "once.",
  },
  {
    name: "state-file",
    env: "STATE_FILE",
    type: text("PATH"),
    help: "File that preserves the ports of all nodes across restarts; created if missing.",
  },
  {
    name: "shared-ports",
    env: "SHARED_PORTS",
    type: text("KEY"),
    help: "Several proxies with one KEY give each node the same port: they keep the ports in a " +
      "hash at that key of the cluster, and need the same --listen-addr port and --port-map.",
  },
  {
    name: "map-file",
    env: "MAP_FILE",
    type: text("PATH"),
    help: "File to write the mapping to, as JSON, with the natMap of ioredis.",
  },
  {
    name: "max-connections",
    alias: "max-concurrent-connections",
    env: "MAX_CONNECTIONS",
    type: count(1),
    help: "How many client connections are served at once; unlimited by default. " +
      "--max-concurrent-connections, the flag of redisClusterProxy, is accepted as well.",
  },
  {
    name: "number-of-buffers",
    env: "NUM_BUFFERS",
    type: count(1),
    help: "Twice the number of client connections, as redisClusterProxy counts them; " +
      "set either this or --max-connections.",
  },
  {
    name: "connect-timeout",
    env: "CONNECT_TIMEOUT",
    type: positiveDuration(),
    default: "3s",
    help: "How long a node may take to accept a connection, and for the handshake of TLS.",
  },
  {
    name: "idle-timeout",
    env: "IDLE_TIMEOUT",
    type: duration({ zero: Infinity }),
    default: "0",
    help: "How long a client connection may be idle in both directions; this ends blocked and " +
      "subscribed clients, too. 0 sets no limit.",
  },
  {
    name: "keepalive",
    env: "KEEPALIVE",
    type: onOff,
    default: "on",
    help: "Whether the kernel sends TCP keepalive probes on idle connections, at its own " +
      "intervals, and closes those whose peer is gone.",
  },
  {
    name: "capture-limit",
    env: "CAPTURE_LIMIT",
    type: count(MIN_CAPTURE_LIMIT_BYTES, MAX_CAPTURE_LIMIT_BYTES, "BYTES"),
    default: String(DEFAULT_CAPTURE_LIMIT_BYTES),
    help: "Memory for replies to rewrite, of all connections together; 16 KiB of each connection " +
      "do not count. Rewriting a reply takes up to 15 times its size in addition.",
  },
  {
    name: "capture-timeout",
    env: "CAPTURE_TIMEOUT",
    type: duration({ zero: Infinity }),
    default: "30s",
    help:
      "How long a reply to rewrite may take to arrive completely, and how long the client may " +
      "take to receive it if it is longer than 16 KiB; 0 sets no limit.",
  },
  {
    name: "threads",
    env: "THREADS",
    type: threadCount,
    default: "1",
    help: "How many threads serve clients, 1 to 64; auto is one per core. More than one needs " +
      "Linux.",
  },
  {
    name: "shutdown-grace",
    env: "SHUTDOWN_GRACE",
    type: duration(),
    default: "10s",
    help: "How long to wait for outstanding replies after SIGTERM or SIGINT.",
  },
  {
    name: "read-buffer-byte-size",
    env: "BUF_SIZE_BYTES",
    type: count(MIN_READ_BUFFER_BYTES, MAX_READ_BUFFER_BYTES, "BYTES"),
    default: String(DEFAULT_READ_BUFFER_BYTES),
    help: `Size of a read buffer for large values, ${MIN_READ_BUFFER_BYTES} to ` +
      `${MAX_READ_BUFFER_BYTES}; it does not limit the size of values.`,
  },
  {
    name: "http-addr",
    env: "HTTP_ADDR",
    type: localAddress,
    help:
      "Address at which to serve a status page, /metrics, /healthz, /readyz and /nodes over HTTP, " +
      "such as :9121; without a host only this machine reaches it. Off by default.",
  },
  {
    name: "access-log",
    env: "ACCESS_LOG",
    type: booleanFlag,
    help: "Log each client connection when it ends: client, node, duration, bytes, requests and " +
      "reason, at level info.",
  },
  {
    name: "debug",
    env: "DEBUG",
    type: booleanFlag,
    help:
      "Log all traffic on stderr; commands that may carry secrets are masked, with their replies.",
  },
  {
    name: "log-level",
    env: "LOG_LEVEL",
    type: logLevel,
    default: "info",
    help: "Lowest level that is logged: debug, info, warning or error.",
  },
  {
    name: "log-format",
    env: "LOG_FORMAT",
    type: logFormat,
    default: "text",
    help: "Either text, or json for one JSON object a line.",
  },
  {
    name: "check",
    type: booleanFlag,
    help: "Discover the cluster, print the mapping of nodes to ports, try to listen on the ports " +
      "and to write the files, and exit with status 0, or 1 if any of that fails.",
  },
  { name: "help", type: booleanFlag, help: "Print this text." },
  { name: "version", type: booleanFlag, help: "Print the version." },
  {
    name: "start-delay",
    env: "START_DELAY",
    envOnly: true,
    type: seconds,
    default: "0",
    help: "Environment variable only; sleep before the start. Not needed: the proxy waits until " +
      "the cluster is ready.",
  },
] as const satisfies readonly Option[];

type Row = (typeof OPTION_ROWS)[number];

/** The name of an option. */
export type OptionName = Row["name"];

/** The value of an option; undefined if it is not set and has no default. */
export type OptionValue<Name extends OptionName> =
  | (Extract<Row, { name: Name }>["type"] extends OptionType<infer T> ? T : never)
  | (Extract<Row, { name: Name }> extends { default: string } ? never : undefined);

/** All options, in the order of `--help`. */
export const OPTIONS: readonly Option<OptionName>[] = OPTION_ROWS;
