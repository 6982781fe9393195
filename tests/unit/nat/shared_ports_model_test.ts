import { assert } from "@std/assert";
import {
  claimsById,
  claimsToWrite,
  type PortState,
  type SharedPorts,
  verdictOn,
} from "../../../src/nat/shared_ports.ts";

// All interleavings of three proxies that share their ports and meet two new nodes. A proxy reads
// the store, writes it in a transaction that fails if the store has changed since, follows what it
// has read, and may crash at any point. Replies may be late or lost. The store's replica lags, and
// a failover to it loses the last writes. The invariants hold in every state that can be reached:
//
// - A proxy opens each port once.
// - Proxies agree, unless a failover has lost a write and the store has not shown one of them all
//   its ports since.
// - A claim that the replica has stays. A claim that the primary has stays until a failover.
// - A port in use that the primary has lost is claimed again, unless another node has it.
// - From any state, one turn of each proxy ends all differences, and gives each node a port.
//
// A node is met just before a read: reading depends on nothing, so the other orders are equal.

const PROXIES = 3;
const NODES = ["a", "b"];
const RANGE = { first: 0, count: 4 };

/** Claims as text: node, port, node, port … in order, as in `a0b1`. */
type Claims = string;

/** A proxy between two of its steps. */
interface ProxyState {
  /** The nodes that it has met. */
  readonly met: string;
  /** The ports that it has open. */
  readonly open: Claims;
  /** What it has read or written, and has not followed yet. */
  readonly read: Claims | undefined;
  /** Whether nothing has touched the store since it was watched and read: EXEC would succeed. */
  readonly mayWrite: boolean;
  /** Whether a failover has lost a write since the store has shown it all its ports. */
  readonly isStale: boolean;
  /** Whether it has read before the failover. */
  readonly hasStaleRead: boolean;
}

const NEW: ProxyState = {
  met: "",
  open: "",
  read: undefined,
  mayWrite: false,
  isStale: false,
  hasStaleRead: false,
};

/** What a proxy and the store become in one step. */
interface Step {
  readonly proxy: ProxyState;
  readonly store: Claims;
}

const addressOf = (id: string) => ({ host: id, port: 1 });

/** A function with a memory: few claims and proxies can be reached, in many combinations. */
function memoized<T>(compute: (...args: string[]) => T): (...args: string[]) => T {
  const results = new Map<string, T>();
  return (...args) => {
    const key = args.join(" ");
    if (!results.has(key)) results.set(key, compute(...args));
    return results.get(key)!;
  };
}

const parse = memoized((claims): SharedPorts =>
  new Map([...claims.matchAll(/([a-z])(\d)/g)].map(([, id, port]): [number, PortState] => [
    Number(port),
    { kind: "claimed", id: id!, address: addressOf(id!) },
  ]))
);

const format = (claims: Iterable<readonly [id: string, port: number]>): Claims =>
  [...claims].map(([id, port]) => `${id}${port}`).sort().join("");

/** What the store holds once a proxy has written what it wants. */
const write = memoized((store, met, open): Claims => {
  const ports = claimsById(parse(open));
  const writes = claimsToWrite(parse(store), {
    nodes: [...met].map((id) => ({ id, address: addressOf(id), inUse: ports.get(id) })),
    listed: new Set(met),
    released: new Set(),
    reserved: new Set(),
    range: RANGE,
  });
  return format(claimsById(new Map([...parse(store), ...writes])));
});

/** The ports that a proxy has open once it follows what it has read. */
const follow = memoized((read, met, open): Claims => {
  const shared = parse(read);
  const claims = claimsById(shared);
  const kept = [...claimsById(parse(open))].filter(([id, port]) =>
    verdictOn(shared, { id, address: addressOf(id), port }).kind === "keep"
  );
  const opened = [...met].flatMap((id) => claims.has(id) ? [[id, claims.get(id)!] as const] : []);
  return format(new Map([...kept, ...opened]));
});

/** Whether two maps give no port to two nodes, and no node two ports. */
const agree = memoized((one, other) => {
  const [claims, others] = [claimsById(parse(one)), claimsById(parse(other))];
  return [...claims].every(([id, port]) =>
    (others.get(id) ?? port) === port &&
    [...others].every(([otherId, otherPort]) => otherPort !== port || otherId === id)
  );
});

/** Whether one map has all ports of another, for the same nodes. */
const includes = memoized((all, some) =>
  [...claimsById(parse(some))].every(([id, port]) => claimsById(parse(all)).get(id) === port)
);

/** The claims of a map that do not contradict another map. */
const free = memoized((store, open): Claims => {
  const [shared, claims] = [parse(store), claimsById(parse(store))];
  return format(
    [...claimsById(parse(open))].filter(([id, port]) => !claims.has(id) && !shared.has(port)),
  );
});

/** The steps that a proxy may take while the store's primary holds some claims. */
function stepsOf(proxy: ProxyState, store: Claims): Step[] {
  const { met, open, read } = proxy;
  if (read === undefined) {
    const meetings = NODES.filter((id) => !met.includes(id))
      .map((id): Step => ({ proxy: { ...proxy, met: [...met, id].sort().join("") }, store }));
    // Without a wish it writes nothing.
    const mayWrite = write(store, met, open) !== store;
    const reading = { ...proxy, read: store, mayWrite, hasStaleRead: false };
    return [...meetings, { proxy: reading, store }];
  }
  const done = { ...proxy, read: undefined, mayWrite: false, hasStaleRead: false };
  const steps: Step[] = [];
  const result = write(read, met, open);
  if (proxy.mayWrite) {
    // The reply arrives, or is lost. If EXEC fails, the proxy is where it was before it read.
    steps.push({ proxy: { ...proxy, read: result, mayWrite: false }, store: result });
    steps.push({ proxy: done, store: result });
  }
  // It has nothing to write, or may not write.
  const opened = follow(read, met, open);
  const isStale = proxy.isStale && (proxy.hasStaleRead || !includes(read, opened));
  const lacks = proxy.hasStaleRead && opened !== "";
  return [...steps, { proxy: { ...done, open: opened, isStale: isStale || lacks }, store }];
}

/** Gives states small numbers, by which the search knows them. */
class Numbers<T> {
  readonly values: T[] = [];
  readonly #numbers = new Map<string, number>();

  of(value: T): number {
    const key = JSON.stringify(value);
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.values.length);
    return this.values.push(value) - 1;
  }
}

/** The proxies in the order of their numbers, and the store. */
interface World {
  readonly proxies: readonly number[];
  readonly primary: number;
  /** What the replica has; the same as the primary when no failover follows. */
  readonly replica: number;
  readonly crashesLeft: number;
  readonly failoversLeft: number;
}

/** The states of one search; proxies are alike, so their order does not matter. */
class Search {
  readonly #proxies = new Numbers<ProxyState>();
  readonly #claims = new Numbers<Claims>();
  readonly #seen = new Set<number>();
  readonly #queue: World[] = [];
  readonly #steps: (readonly (readonly [proxy: number, store: number])[])[] = [];
  readonly #changed: number[] = [];
  /** The proxies without what they have read, which no invariant is about. */
  readonly #looks = new Numbers<Partial<ProxyState>>();
  readonly #lookOf: number[] = [];
  readonly #violations = new Map<number, string | undefined>();
  readonly #failovers: number;

  constructor({ crashes, failovers }: { crashes: number; failovers: number }) {
    this.#failovers = failovers;
    const proxies = Array<number>(PROXIES).fill(this.#proxies.of(NEW));
    const primary = this.#claims.of("");
    const world = { proxies, primary, replica: primary };
    this.#visit({ ...world, crashesLeft: crashes, failoversLeft: failovers }, primary);
  }

  /** Visits every state that can be reached, and returns their number. */
  run(): number {
    for (let world = this.#queue.pop(); world !== undefined; world = this.#queue.pop()) {
      this.#expand(world);
    }
    return this.#seen.size;
  }

  #expand(world: World): void {
    const { proxies, primary, replica, crashesLeft, failoversLeft } = world;
    for (const [index, proxy] of proxies.entries()) {
      if (index > 0 && proxy === proxies[index - 1]) continue;
      for (const [next, store] of this.#stepsOf(proxy, primary)) {
        const after = proxies.map((other, at) =>
          at === index ? next : store === primary ? other : this.#touched(other)
        );
        const lagging = failoversLeft === 0 ? store : replica;
        this.#visit({ ...world, proxies: after, primary: store, replica: lagging }, replica);
      }
      if (crashesLeft === 0) continue;
      const after = proxies.map((other, at) => at === index ? 0 : other);
      this.#visit({ ...world, proxies: after, crashesLeft: crashesLeft - 1 }, replica);
    }
    if (replica === primary) return;
    this.#visit({ ...world, replica: primary }, replica);
    const after = proxies.map((proxy) => this.#afterFailover(proxy));
    const left = failoversLeft - 1;
    this.#visit({ ...world, proxies: after, primary: replica, failoversLeft: left }, replica);
  }

  #stepsOf(proxy: number, store: number): readonly (readonly [number, number])[] {
    return this.#steps[proxy * MAX_CLAIMS + store] ??= stepsOf(
      this.#proxies.values[proxy]!,
      this.#claims.values[store]!,
    )
      .map((step) => [this.#proxies.of(step.proxy), this.#claims.of(step.store)] as const);
  }

  /** A proxy once somebody has written the store. */
  #touched(proxy: number): number {
    return this.#changed[proxy] ??= this.#proxies.of({
      ...this.#proxies.values[proxy]!,
      mayWrite: false,
    });
  }

  /** A proxy once a failover has lost a write. */
  #afterFailover(proxy: number): number {
    const state = this.#proxies.values[proxy]!;
    const [isStale, hasStaleRead] = [state.open !== "", state.read !== undefined];
    return this.#proxies.of({ ...state, mayWrite: false, isStale, hasStaleRead });
  }

  /** @param settled the claims that the replica had before */
  #visit({ proxies, ...world }: World, settled: number): void {
    const sorted = sortedThree(proxies);
    const { primary, replica, crashesLeft, failoversLeft } = world;
    let key = 0;
    for (const proxy of sorted) key = key * MAX_PROXY_STATES + proxy;
    key = (key * MAX_CLAIMS + primary) * MAX_CLAIMS + replica;
    key = (key * 4 + crashesLeft) * 2 + failoversLeft;
    const claims = this.#claims.values;
    let violated = settled === primary || includes(claims[primary]!, claims[settled]!)
      ? undefined
      : "a claim that the replica has stays";
    if (violated === undefined && this.#seen.has(key)) return;
    violated ??= this.#violation(sorted, primary, failoversLeft < this.#failovers);
    if (violated !== undefined) {
      const states = sorted.map((proxy) => this.#proxies.values[proxy]);
      const stores = [primary, replica, settled].map((number) => claims[number]);
      throw new Error(`${violated}: ${Deno.inspect([...states, ...stores])}`);
    }
    this.#seen.add(key);
    this.#queue.push({ proxies: sorted, ...world });
  }

  #violation(proxies: readonly number[], primary: number, hasLost: boolean): string | undefined {
    let key = primary * 2 + Number(hasLost);
    for (const proxy of proxies) {
      const look = this.#lookOf[proxy] ??= this.#look(this.#proxies.values[proxy]!);
      key = key * MAX_PROXY_STATES + look;
    }
    if (!this.#violations.has(key)) {
      const states = proxies.map((proxy) => this.#proxies.values[proxy]!);
      this.#violations.set(key, violation(states, this.#claims.values[primary]!, hasLost));
    }
    return this.#violations.get(key);
  }

  #look({ met, open, isStale }: ProxyState): number {
    return this.#looks.of({ met, open, isStale });
  }
}

/** Faster than a sort that calls a function. */
function sortedThree([a, b, c]: readonly number[]): number[] {
  const [low, high] = a! < b! ? [a!, b!] : [b!, a!];
  return c! < low ? [c!, low, high] : c! < high ? [low, c!, high] : [low, high, c!];
}

/** The first invariant that a state violates. */
function violation(
  proxies: readonly ProxyState[],
  primary: Claims,
  hasLost: boolean,
): string | undefined {
  for (const [index, one] of proxies.entries()) {
    if (parse(one.open).size < one.open.length / 2) return "a proxy opens each port once";
    if (!includes(write(primary, one.met, one.open), free(primary, one.open))) {
      return "a lost claim is claimed again";
    }
    for (const other of proxies.slice(index + 1)) {
      const mayDiffer = hasLost && (one.isStale || other.isStale);
      if (!mayDiffer && !agree(one.open, other.open)) return "proxies agree";
    }
  }
  let store = primary;
  const turns = proxies.map(({ met, open }) => {
    store = write(store, met, open);
    return follow(store, met, open);
  });
  if (!includes(store, primary)) return "a claim that the primary has stays";
  for (const [index, open] of turns.entries()) {
    if (!includes(store, open)) return "one turn ends all differences";
    if (open.length / 2 !== proxies[index]!.met.length) return "one turn gives each node a port";
  }
  return undefined;
}

/** More than can be reached; three proxies and two claims form one exact number. */
const MAX_PROXY_STATES = 2048;
const MAX_CLAIMS = 32;

for (const limits of [{ crashes: 2, failovers: 0 }, { crashes: 1, failovers: 1 }] as const) {
  const faults = `${limits.crashes} crashes and ${limits.failovers} failovers`;
  Deno.test(`three proxies agree on two new nodes in all orders, with ${faults}`, () => {
    const startMs = performance.now();
    const states = new Search(limits).run();
    console.log(`${states} states in ${Math.round(performance.now() - startMs)} ms`);
    assert(states > 10_000);
  });
}
