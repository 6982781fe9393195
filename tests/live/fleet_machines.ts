import { Namespace } from "../support/namespace.ts";
import { run } from "../support/program.ts";

/** The beginning of the addresses of all nodes. */
export const NODES_NETWORK = "10.77.0.";

/** The beginning of the addresses of the proxies, and of the balancer for them. */
export const PROXIES_NETWORK = "10.78.0.";

/** The end of the cable of the nodes. */
const GATEWAY = `${PROXIES_NETWORK}1`;

const BALANCER = { private: `${PROXIES_NETWORK}2`, public: "192.0.2.1" };

const CLIENTS = "192.0.2.2";

const PROXIES = [11, 12, 13].map((end) => `${PROXIES_NETWORK}${end}`);

/** A machine that runs programs. */
export interface Machine {
  readonly host: string;
  /** The words before a command line that runs there. */
  readonly before: readonly string[];
}

/** The machine of a proxy. */
export interface ProxyMachine extends Machine {
  /** The name of its only cable, at the other end. */
  readonly cable: string;
}

/** What a program on the machine of the nodes has to know of the others. */
export interface Machines {
  /** The host is the one that clients use. */
  readonly balancer: Machine & { readonly privateHost: string };
  readonly proxies: readonly ProxyMachine[];
  readonly clients: Pick<Machine, "before">;
}

/**
 * Creates the machines of a fleet as network namespaces, which end with the stack:
 *
 * ```
 *  clients ─ public ─ balancer ──┬── proxy 10.78.0.11
 *  192.0.2.2          192.0.2.1  ├── proxy 10.78.0.12
 *                     10.78.0.2  ├── proxy 10.78.0.13
 *                                └── nodes 10.77.0.1 …, behind 10.78.0.1
 * ```
 *
 * Only proxies have a route to the nodes, and nothing else to go to. The machine of the nodes has
 * the switch, and a route to the public address for those who watch.
 */
export async function createMachines(
  stack: AsyncDisposableStack,
): Promise<{ nodes: Namespace; machines: Machines }> {
  const nodes = stack.use(await Namespace.create("nodes"));
  const balancer = stack.use(await Namespace.create("balancer"));
  const clients = stack.use(await Namespace.create("clients"));
  const plug = async (name: string, other: Namespace, host: string) => {
    await nodes.connect(other, { name, here: [], there: [`${host}/24`] });
    return name;
  };
  const cables = [await plug("balancer", balancer, BALANCER.private)];
  const proxies: ProxyMachine[] = [];
  for (const [index, host] of PROXIES.entries()) {
    const proxy = stack.use(await Namespace.create(`proxy${index}`));
    const cable = await plug(`proxy${index}`, proxy, host);
    await proxy.ip("route", "add", `${NODES_NETWORK}0/24`, "via", GATEWAY);
    cables.push(cable);
    proxies.push({ host, before: proxy.before, cable });
  }
  await nodes.join(...cables);
  await nodes.ip("address", "add", `${GATEWAY}/24`, "dev", "switch");
  // Nodes may have any address of their network.
  await nodes.ip("route", "add", "local", `${NODES_NETWORK}0/24`, "dev", "lo");
  await nodes.ip("route", "add", BALANCER.public, "via", BALANCER.private);
  const ends = { here: [`${BALANCER.public}/24`], there: [`${CLIENTS}/24`] };
  await balancer.connect(clients, { name: "public", ...ends });
  return {
    nodes,
    machines: {
      balancer: { host: BALANCER.public, privateHost: BALANCER.private, before: balancer.before },
      proxies,
      clients: { before: clients.before },
    },
  };
}

/** Pulls the cable of a proxy until the result is disposed of; called on the machine of the nodes. */
export async function pullCable({ cable }: ProxyMachine): Promise<AsyncDisposable> {
  // The far end goes down, so the proxy's own keeps its addresses and routes.
  await link(cable, "down");
  return { [Symbol.asyncDispose]: () => link(cable, "up") };
}

async function link(name: string, state: "up" | "down"): Promise<void> {
  const { code, output } = await run(["ip", "link", "set", name, state]);
  if (code !== 0) throw new Error(`Cannot set the cable ${name} ${state}: ${output.trim()}`);
}
