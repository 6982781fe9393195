import { REWRITE_KINDS, type RewriteKind } from "../relay/frame_action.ts";
import { CONNECT_FAILURES, type ConnectFailure } from "./connect_failure.ts";
import { END_REASONS, type EndReason } from "./end_reason.ts";

/** Why a client got no session. */
export const REFUSALS = ["max_connections", "not_from_balancer"] as const;

/** Why a client got no session. */
export type Refusal = typeof REFUSALS[number];

/** What was counted at one port of the proxy, since the thread started. */
export interface PortStatistics extends PortName {
  /** Clients that are connected now. */
  clients: number;
  accepted: number;
  requests: number;
  /** Bytes, as they arrived: before the proxy rewrites any. */
  receivedFromClients: number;
  receivedFromNode: number;
  /** Connections to the node that were opened, and the seconds that this took in all. */
  connects: number;
  connectSeconds: number;
  readonly connectFailures: Record<ConnectFailure, number>;
  /** The last connection that was opened; `atMs` is in milliseconds since 1970. */
  lastConnect: { readonly atMs: number; readonly seconds: number } | undefined;
}

/** A port of the proxy. */
export interface PortName {
  /** The name of the public view that the port belongs to. */
  readonly view: string;
  /** The port on which the proxy listens. */
  readonly port: number;
}

/** What was counted in handshakes of TLS with one side. */
export interface HandshakeStatistics {
  succeeded: number;
  failed: number;
}

/** The upper bounds of `Statistics.connectTimes`, in seconds; the last bucket has none. */
export const CONNECT_TIME_BOUNDS = [
  0.0005,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
] as const;

/**
 * What one thread has counted since it started. The fields are plain numbers, because each session
 * changes them; threads post copies. Only the thread that owns an object changes it.
 */
export class Statistics {
  /** The ports that were used, by view and number. */
  readonly ports = new Map<string, PortStatistics>();
  readonly refused: Record<Refusal, number> = zeros(REFUSALS);
  readonly ended: Record<EndReason, number> = zeros(END_REASONS);
  /** How many connections to nodes took a time up to each bound, and longer than the one before. */
  readonly connectTimes: number[] = Array(CONNECT_TIME_BOUNDS.length + 1).fill(0);
  readonly rewritten: Record<RewriteKind, number> = zeros(REWRITE_KINDS);
  /** Replies and pushes that named a node without a public port. */
  unmapped = 0;
  readonly handshakes: Record<"client" | "node", HandshakeStatistics> = {
    client: { succeeded: 0, failed: 0 },
    node: { succeeded: 0, failed: 0 },
  };

  /** The statistics of a port, which begin with its first use. */
  at({ view, port }: PortName): PortStatistics {
    const key = `${view} ${port}`;
    let statistics = this.ports.get(key);
    if (statistics === undefined) {
      statistics = {
        view,
        port,
        clients: 0,
        accepted: 0,
        requests: 0,
        receivedFromClients: 0,
        receivedFromNode: 0,
        connects: 0,
        connectSeconds: 0,
        connectFailures: zeros(CONNECT_FAILURES),
        lastConnect: undefined,
      };
      this.ports.set(key, statistics);
    }
    return statistics;
  }

  /** Counts a connection to the node of a port, which took `seconds`. */
  connected(port: PortStatistics, seconds: number): void {
    port.connects++;
    port.connectSeconds += seconds;
    port.lastConnect = { atMs: Date.now(), seconds };
    const bucket = CONNECT_TIME_BOUNDS.findIndex((bound) => seconds <= bound);
    this.connectTimes[bucket < 0 ? CONNECT_TIME_BOUNDS.length : bucket]!++;
  }

  /** Adds what another thread has counted; `more` may be a copy without methods. */
  add(more: Copied<Statistics>): void {
    const { ports, ...others } = more;
    for (const { view, port, lastConnect, ...counted } of ports.values()) {
      const sum = this.at({ view, port });
      addNumbers(sum, counted);
      const isLater = (lastConnect?.atMs ?? 0) > (sum.lastConnect?.atMs ?? 0);
      if (isLater) sum.lastConnect = lastConnect;
    }
    addNumbers(this, others);
  }
}

/** A copy of an object that was posted by another thread: it has no methods. */
export type Copied<T> = {
  readonly [
    // deno-lint-ignore no-explicit-any -- A method may take any arguments.
    Key in keyof T as T[Key] extends (...args: any[]) => unknown ? never : Key
  ]: T[Key];
};

/** Adds the numbers of an object to those of another one that has the same fields. */
function addNumbers(sum: object, more: object): void {
  const fields = sum as Record<string, unknown>;
  for (const [name, value] of Object.entries(more)) {
    if (typeof value === "number") fields[name] = (fields[name] as number) + value;
    else addNumbers(fields[name] as object, value);
  }
}

function zeros<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
}
