import { formatHostPort, type HostPort, splitAddress } from "../platform/address.ts";
import { itemsOf, textOf, type Value } from "../resp/frame.ts";
import { slotOfKey } from "./key_slot.ts";
import type { NodeAddress } from "./node_address.ts";
import type { NodeConnection } from "./node_connection.ts";
import { NodeConnectionError, orThrow } from "./node_connection_error.ts";

/** The fields of a hash. */
export type Fields = ReadonlyMap<string, string>;

/** Where the nodes of the cluster are, as the proxy knows. */
export interface NodeLocator {
  /** The addresses to try for a slot, its owner first; empty before the cluster is known. */
  addressesFor(slot: number): readonly NodeAddress[];
  /** The address to dial for one that a redirect has, with the name for TLS. */
  dialAddress(announced: HostPort): NodeAddress;
  /** The number of replicas that have what the owner of a slot has, or will have it soon. */
  replicasOf(slot: number): number;
}

/** Opens the proxy's own connections; `ClusterDiscovery` does. */
export interface NodeConnector {
  /** @throws {NodeConnectionError} if the node cannot be reached within `limitMs` */
  connect(address: NodeAddress, limitMs: number): Promise<NodeConnection>;
}

/** Nodes answer within a millisecond; one that does not within this time may be down. */
const STEP_LIMIT_MS = 1000;

/** How long a write waits for replicas. They acknowledge at once unless they are in trouble. */
const REPLICATION_LIMIT_MS = 500;

/** The slot may move while it is looked for, but not this often. */
const MAX_REDIRECTS = 5;

/** Each failed attempt is a write of another proxy, and there are few proxies. */
const MAX_ATTEMPTS = 20;

/** The outcome of `SharedHash.update`. */
export interface Updated {
  readonly fields: Fields;
  /** How many replicas should have the write and may not have it; 0 if nothing was written. */
  readonly unacknowledged: number;
}

/**
 * A hash that several proxies keep in the cluster itself. It is read and written on a connection of
 * its own to the primary that owns the slot of the key, which is found by redirects. A write is a
 * transaction with WATCH: it does nothing if the hash has changed since it was read. So writes need
 * no script, and only a user who may use these commands and this key.
 */
export class SharedHash {
  readonly #key: string;
  readonly #slot: number;
  readonly #connector: NodeConnector;
  readonly #locator: NodeLocator;
  #connection: NodeConnection | undefined;
  /** Whether the slot is being imported by the node, which then needs ASKING. */
  #isAsking = false;
  /** How many attempts in a row have failed: each starts at another node. */
  #failures = 0;

  constructor(key: string, connector: NodeConnector, locator: NodeLocator) {
    this.#key = key;
    this.#slot = slotOfKey(key);
    this.#connector = connector;
    this.#locator = locator;
  }

  /**
   * Reads the hash; without fields if the key does not exist.
   *
   * @throws {NodeConnectionError} if the primary cannot be found or does not answer
   */
  async read(): Promise<Fields> {
    return await this.#atPrimary(async (connection) => {
      const [reply] = await this.#request(connection, [["HGETALL", this.#key]]);
      return fieldsOf(reply!);
    });
  }

  /**
   * Reads the hash and sets fields in one step: `decide` returns the fields to set, and is called
   * again if the hash has changed meanwhile. Then waits for the replicas, for half a second at most.
   *
   * @throws {NodeConnectionError} if the outcome is not known, or the user may not write
   */
  async update(decide: (fields: Fields) => Fields): Promise<Updated> {
    return await this.#atPrimary(async (connection) => {
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        const reading = [["WATCH", this.#key], ["HGETALL", this.#key]];
        const [, reply] = await this.#request(connection, reading);
        const fields = fieldsOf(reply!);
        const changes = decide(fields);
        if (changes.size === 0) return { fields, unacknowledged: 0 };
        const replies = await this.#request(connection, [
          ["MULTI"],
          ["HSET", this.#key, ...[...changes].flat()],
          ["EXEC"],
        ]);
        if (itemsOf(replies[2]) === undefined) continue;
        const unacknowledged = await this.#replicate(connection);
        return { fields: new Map([...fields, ...changes]), unacknowledged };
      }
      throw new NodeConnectionError(`The hash '${this.#key}' changes all the time`);
    });
  }

  /**
   * Verifies that the user may write the hash, and writes nothing.
   *
   * @throws {NodeConnectionError} if not
   */
  async checkWritable(): Promise<void> {
    await this.#atPrimary(async (connection) => {
      const write = ["HSET", this.#key, "version", "1"];
      // A transaction that is not executed.
      await this.#request(connection, [["WATCH", this.#key], ["MULTI"], write]);
    });
    this.close();
  }

  /** Closes the connection; the next call opens another. */
  close(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  /** Waits until the replicas have the write; returns how many may not have it. */
  async #replicate(connection: NodeConnection): Promise<number> {
    const replicas = this.#locator.replicasOf(this.#slot);
    if (replicas === 0) return 0;
    const wait = ["WAIT", `${replicas}`, `${REPLICATION_LIMIT_MS}`];
    const [reply] = await within(connection, connection.requestAll([wait]));
    // The write is done; a user who may not wait is reported by the caller.
    if (reply instanceof NodeConnectionError) return replicas;
    return Math.max(0, replicas - Number(textOf(reply)));
  }

  /** Sends requests in one pipeline; throws the first error that a reply has. */
  async #request(connection: NodeConnection, requests: readonly string[][]): Promise<Value[]> {
    const asking = this.#isAsking;
    // The flag that ASKING sets lasts for one command, or for one transaction (`resetClient`).
    const sent = requests.flatMap((request) =>
      asking && !["HSET", "EXEC"].includes(request[0]!) ? [["ASKING"], request] : [request]
    );
    const replies = await within(connection, connection.requestAll(sent));
    return replies.map(orThrow).filter((_, index) => sent[index]![0] !== "ASKING");
  }

  /** Calls `use` with a connection to the primary of the slot, and follows redirects. */
  async #atPrimary<T>(use: (connection: NodeConnection) => Promise<T>): Promise<T> {
    let target: NodeAddress | undefined;
    for (let redirects = 0;; redirects++) {
      try {
        const connection = this.#connection ??= await this.#connect(target);
        const result = await use(connection);
        this.#failures = 0;
        return result;
      } catch (error) {
        const from = this.#connection?.remote;
        this.close();
        if (!(error instanceof NodeConnectionError)) throw error;
        const redirect = from && redirectOf(error, from);
        if (redirect === undefined || redirects === MAX_REDIRECTS) {
          this.#failures++;
          this.#isAsking = false;
          throw error;
        }
        this.#isAsking = redirect.isAsking;
        target = this.#locator.dialAddress(redirect.address);
      }
    }
  }

  async #connect(target: NodeAddress | undefined): Promise<NodeConnection> {
    if (target === undefined) this.#isAsking = false;
    const addresses = this.#locator.addressesFor(this.#slot);
    const address = target ?? addresses[this.#failures % addresses.length];
    if (address === undefined) throw new NodeConnectionError("No node of the cluster is known");
    return await this.#connector.connect(address, STEP_LIMIT_MS);
  }
}

/** Limits the time that a node has for its replies; later it closes the connection. */
async function within<T>(connection: NodeConnection, replies: Promise<T>): Promise<T> {
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    connection.close();
  }, STEP_LIMIT_MS);
  try {
    return await replies;
  } catch (error) {
    if (!isLate) throw error;
    const at = formatHostPort(connection.address);
    throw new NodeConnectionError(`Node ${at} did not answer within ${STEP_LIMIT_MS} ms`);
  } finally {
    clearTimeout(timer);
  }
}

/** The node to which an error redirects: that which sent it, if it does not know its own host. */
function redirectOf(
  { reply }: NodeConnectionError,
  from: HostPort,
): { address: HostPort; isAsking: boolean } | undefined {
  const [, kind, text] = /^(MOVED|ASK) \d+ (\S*)/.exec(reply ?? "") ?? [];
  const address = text === undefined ? undefined : splitAddress(text);
  if (address === undefined || address.port === 0) return undefined;
  const host = address.host === "" || address.host === "?" ? from.host : address.host;
  return { address: { host, port: address.port }, isAsking: kind === "ASK" };
}

function fieldsOf(reply: Value): Fields {
  const texts = (itemsOf(reply) ?? []).map((item) => textOf(item) ?? "");
  const fields = new Map<string, string>();
  for (let at = 0; at + 1 < texts.length; at += 2) fields.set(texts[at]!, texts[at + 1]!);
  return fields;
}
