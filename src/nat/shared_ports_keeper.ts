import { NodeConnectionError } from "../cluster/node_connection_error.ts";
import { type Fields, type NodeConnector, SharedHash } from "../cluster/shared_hash.ts";
import type { ClusterView } from "../cluster/view.ts";
import { withTimeout } from "../platform/timeout.ts";
import type { NatTable } from "./nat_table.ts";
import { claimsToWrite, contradictions, type SharedPorts } from "./shared_ports.ts";
import { formatStates, parseSharedPorts, SharedPortsError } from "./shared_ports_format.ts";
import { SharedPortsLog } from "./shared_ports_log.ts";
import { TableLocator } from "./table_locator.ts";
import type { ApplyChanges } from "./table_change.ts";

/**
 * Between two readings. A proxy whose claim was lost must correct its ports within a second. A
 * reading costs the primary some microseconds of CPU time.
 */
const INTERVAL_MS = 500;

/** How long a client waits for the port of a new node. A claim takes milliseconds. */
const CLAIM_LIMIT_MS = 1000;

/** How long a start waits for the store, if a state file has the ports. */
const START_PATIENCE_MS = 5000;

/** The parts of a proxy that share ports with other proxies. */
export interface SharedPortsContext {
  readonly natTable: NatTable;
  readonly connector: NodeConnector;
  readonly apply: ApplyChanges;
}

/** The options of `SharedPortsKeeper`. */
export interface SharedPortsOptions {
  /** The key of the hash. */
  readonly key: string;
  /** The port of `--listen-addr`. */
  readonly firstPort: number;
}

/** How `SharedPortsKeeper.begin` waits for the store. */
export interface BeginOptions {
  /** How long to try; Infinity is no limit. */
  readonly limitMs: number;
  /** Gets the reason of each failed attempt, after which there is another. */
  readonly onObstacle?: ((obstacle: string) => void) | undefined;
}

/** How the sharing of ports is going. */
export interface SharedPortsStatus {
  /** Why the shared ports could not be read or written at the last attempt; undefined if they could. */
  readonly problem: string | undefined;
  /** How many nodes wait for a port. */
  readonly waiting: number;
  /** How often a port was closed since the start because it was another node's. */
  readonly corrections: number;
}

/**
 * Keeps the ports of a proxy and those that all proxies share in line: reads the hash twice a
 * second, claims ports for new nodes, claims again what a failover has lost, and follows what other
 * proxies have claimed. shared_ports.ts is the protocol.
 */
export class SharedPortsKeeper {
  readonly #natTable: NatTable;
  readonly #apply: ApplyChanges;
  readonly #options: SharedPortsOptions;
  readonly #locator: TableLocator;
  readonly #hash: SharedHash;
  readonly #log: SharedPortsLog;
  #requestRefresh = () => {};
  /** The turn in progress. */
  #turn: Promise<void> = Promise.resolve();
  /** The turn after that, if it was requested. */
  #nextTurn: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStopped = false;
  #problem: string | undefined;
  #corrections = 0;
  /** The nodes that waited for a port when the last turn began. */
  #wished: ReadonlySet<string> = new Set();
  /** The fields that the table follows. */
  #followed: Fields | undefined;

  constructor({ natTable, connector, apply }: SharedPortsContext, options: SharedPortsOptions) {
    this.#natTable = natTable;
    this.#apply = apply;
    this.#options = options;
    this.#log = new SharedPortsLog(options.key);
    this.#locator = new TableLocator(natTable);
    this.#hash = new SharedHash(options.key, connector, this.#locator);
  }

  /** How the sharing of ports is going. */
  get status(): SharedPortsStatus {
    return {
      problem: this.#problem,
      waiting: this.#natTable.waiting.length,
      corrections: this.#corrections,
    };
  }

  /**
   * Claims ports for the nodes of the first view, before the table has them. If the store cannot be
   * used, the nodes that have a saved port are served with it.
   *
   * @throws {OperatorError} if no port is known, or the hash cannot be used
   */
  async begin(view: ClusterView, { limitMs, onObstacle }: BeginOptions): Promise<void> {
    this.#locator.startView = view;
    const startedMs = performance.now();
    const hasSaved = view.nodes.some(({ id }) => this.#natTable.hasPort(id));
    const endMs = startedMs + (hasSaved ? Math.min(limitMs, START_PATIENCE_MS) : limitMs);
    for (;;) {
      const error = await this.#tryToBegin(view);
      if (error === undefined) return;
      const isPermanent = error instanceof NodeConnectionError && error.isPermanent;
      const isOver = isPermanent || this.#isStopped || performance.now() + INTERVAL_MS > endMs;
      const hasPorts = view.nodes.some(({ id }) => this.#natTable.hasPort(id));
      if (isOver && hasPorts) {
        this.#fail(error.message);
        return;
      }
      if (isOver) throw this.#unusable(error);
      this.#log.waiting(error.message);
      this.#problem = error.message;
      onObstacle?.(`The shared ports cannot be used: ${error.message}`);
      await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
    }
  }

  /**
   * Lets the table have the ports that the nodes of the first view would get. Nothing is written,
   * but the user must be allowed to.
   *
   * @throws {OperatorError} if the hash cannot be used
   */
  async check(view: ClusterView): Promise<void> {
    this.#locator.startView = view;
    try {
      const shared = this.#parse(await this.#read());
      await this.#hash.checkWritable();
      const claimed = new Map([...shared, ...claimsToWrite(shared, this.#natTable.wishes(view))]);
      this.#refuseContradictions(claimed, view);
      this.#apply(this.#natTable.follow(claimed));
    } catch (error) {
      if (!(error instanceof NodeConnectionError)) throw error;
      throw this.#unusable(error);
    } finally {
      this.#hash.close();
    }
  }

  /**
   * Starts to read the hash at intervals.
   *
   * @param requestRefresh called when the store may be at another node
   */
  start(requestRefresh: () => void): void {
    this.#requestRefresh = requestRefresh;
    this.#schedule();
  }

  /** Claims ports for nodes that the last turn did not know; call it after each change. */
  update(): void {
    if (this.#timer === undefined || this.#isStopped) return;
    if (this.#hasNewNodes) this.#request();
  }

  /** Resolves when each known node has a port, or cannot get one now. */
  async claimed(): Promise<void> {
    if (this.#problem !== undefined || this.#natTable.waiting.length === 0) return;
    await withTimeout(this.#hasNewNodes ? this.#request() : this.#turn, CLAIM_LIMIT_MS);
  }

  /** Stops; resolves when no request is in progress. Close the discovery first to end them. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#hash.close();
    await this.#turn;
    await this.#nextTurn;
    this.#hash.close();
  }

  /** Whether a node waits for a port that did not when the last turn began. */
  get #hasNewNodes(): boolean {
    return this.#natTable.waiting.some((id) => !this.#wished.has(id));
  }

  #schedule(): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(async () => {
      await this.#request();
      this.#schedule();
    }, INTERVAL_MS);
  }

  /** Requests a turn that begins after now. */
  #request(): Promise<void> {
    return this.#nextTurn ??= this.#turn.then(() => {
      this.#nextTurn = undefined;
      return this.#turn = this.#takeTurn();
    });
  }

  async #takeTurn(): Promise<void> {
    if (this.#isStopped) return;
    this.#wished = new Set(this.#natTable.waiting);
    try {
      const { shared, error } = await this.#synchronize();
      if (this.#isStopped) return;
      if (shared !== undefined && this.#natTable.waiting.length > 0) {
        this.#log.full(shared, this.#natTable.wishes());
      }
      if (error !== undefined) throw error;
      if (this.#problem !== undefined) this.#log.recovered();
      this.#problem = undefined;
    } catch (error) {
      if (!(error instanceof NodeConnectionError || error instanceof SharedPortsError)) throw error;
      if (this.#isStopped) return;
      this.#fail(error.message);
      if (error instanceof NodeConnectionError) this.#requestRefresh();
    }
  }

  /** One attempt to claim the ports of the first view; returns the error if it fails. */
  async #tryToBegin(view: ClusterView): Promise<NodeConnectionError | undefined> {
    try {
      const { shared, error } = await this.#synchronize(view);
      if (shared !== undefined) this.#refuseContradictions(shared, view);
      if (error !== undefined) return error;
      this.#problem = undefined;
      return undefined;
    } catch (error) {
      if (error instanceof NodeConnectionError) return error;
      throw error;
    }
  }

  /**
   * Reads the hash, writes what the proxy wants, and has the table follow. If only the writing
   * fails, the table follows what was read, and the error is returned.
   *
   * @throws {NodeConnectionError} if the hash cannot be read
   * @throws {SharedPortsError} if it cannot be used
   */
  async #synchronize(
    view?: ClusterView,
  ): Promise<{ shared: SharedPorts | undefined; error: NodeConnectionError | undefined }> {
    const decide = (fields: Fields) =>
      formatStates(
        claimsToWrite(this.#parse(fields), this.#natTable.wishes(view)),
        this.#options.firstPort,
      );
    let fields = await this.#read();
    let error: NodeConnectionError | undefined;
    if (decide(fields).size > 0 && !this.#isStopped) {
      try {
        const updated = await this.#hash.update(decide);
        fields = updated.fields;
        if (updated.unacknowledged > 0) this.#log.unacknowledged(updated.unacknowledged);
      } catch (reason) {
        if (!(reason instanceof NodeConnectionError)) throw reason;
        error = reason;
      }
    }
    const shared = this.#isStopped ? undefined : this.#follow(fields);
    return { shared, error };
  }

  async #read(): Promise<Fields> {
    try {
      return await this.#hash.read();
    } catch (error) {
      if (!(error instanceof NodeConnectionError && error.reply?.startsWith("WRONGTYPE"))) {
        throw error;
      }
      throw new SharedPortsError(
        `The key '${this.#options.key}' holds another type than a hash; use another key with ` +
          "--shared-ports",
      );
    }
  }

  #parse(fields: Fields): SharedPorts {
    const { key, firstPort } = this.#options;
    const { ports, damage } = parseSharedPorts(fields, key, firstPort);
    this.#log.damaged(damage);
    return ports;
  }

  /** Has the table follow what was read, if that has changed or a port could not be opened. */
  #follow(fields: Fields): SharedPorts {
    const natTable = this.#natTable;
    const shared = this.#parse(fields);
    const isNew = this.#followed === undefined || !isEqual(this.#followed, fields);
    if (!isNew && !natTable.lacksShared) return shared;
    this.#followed = fields;
    this.#log.contradicted(contradictions(shared, natTable.wishes()));
    const changes = natTable.follow(shared);
    this.#corrections += changes.filter(({ kind }) => kind === "close").length;
    this.#apply(changes);
    return shared;
  }

  #refuseContradictions(shared: SharedPorts, view: ClusterView): void {
    const [first] = contradictions(shared, this.#natTable.wishes(view));
    if (first !== undefined) throw new SharedPortsError(this.#log.describe(first));
  }

  #unusable(error: NodeConnectionError): SharedPortsError {
    return new SharedPortsError(
      `Cannot use the shared ports at '${this.#options.key}' (--shared-ports): ${error.message}`,
      { cause: error },
    );
  }

  #fail(reason: string): void {
    this.#problem = reason;
    this.#log.failed(reason);
  }
}

function isEqual(one: Fields, other: Fields): boolean {
  if (one.size !== other.size) return false;
  for (const [field, value] of one) if (other.get(field) !== value) return false;
  return true;
}
