import { join } from "node:path";
import { run } from "./program.ts";

/** A virtual cable between two namespaces; addresses have a prefix length. */
export interface Cable {
  /** The name of the interface at either end. */
  name: string;
  here: readonly string[];
  there: readonly string[];
}

/**
 * A network namespace: like a machine that reaches only what it is connected to. It is removed
 * with its processes when its block ends.
 */
export class Namespace implements AsyncDisposable {
  readonly #name: string;

  private constructor(name: string) {
    this.#name = name;
  }

  get #files(): string {
    return join("/etc/netns", this.#name);
  }

  /** Creates a namespace; the role is part of its name. */
  static async create(role: string): Promise<Namespace> {
    const name = `nat-${crypto.randomUUID().slice(0, 8)}-${role}`;
    await ip("netns", "add", name);
    await using stack = new AsyncDisposableStack();
    const namespace = stack.use(new Namespace(name));
    await ip("-n", name, "link", "set", "lo", "up");
    stack.move();
    return namespace;
  }

  /** Why this machine or user cannot create namespaces; undefined if it can. */
  static async hindrance(): Promise<string | undefined> {
    if (Deno.build.os !== "linux") return "only Linux has network namespaces";
    try {
      await using here = await Namespace.create("probe");
      await using there = await Namespace.create("probe");
      await here.connect(there, { name: "probe", here: ["192.0.2.1/24"], there: [] });
      return undefined;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "there is no ip: install iproute2";
      return error instanceof Error ? error.message : String(error);
    }
  }

  /** Runs `ip` in this namespace. */
  async ip(...words: readonly string[]): Promise<void> {
    await ip("-n", this.#name, ...words);
  }

  /** Bridges the near ends of cables, by name. The bridge is called `switch`. */
  async join(...cables: readonly string[]): Promise<void> {
    await this.ip("link", "add", "switch", "type", "bridge");
    await this.ip("link", "set", "switch", "up");
    for (const cable of cables) await this.ip("link", "set", cable, "master", "switch");
  }

  /** Sets /etc/hosts for the programs in this namespace. */
  async name(addresses: Readonly<Record<string, string>>): Promise<void> {
    // `ip netns exec` mounts the files of this directory over those in /etc.
    const lines = Object.entries(addresses).map(([name, address]) => `${address} ${name}\n`);
    await Deno.mkdir(this.#files, { recursive: true });
    await Deno.writeTextFile(join(this.#files, "hosts"), lines.join(""));
  }

  /** The words before a command line that runs in this namespace. */
  get before(): string[] {
    return ["ip", "netns", "exec", this.#name];
  }

  /** Connects this namespace to another one. */
  async connect(other: Namespace, { name, here, there }: Cable): Promise<void> {
    const peer = ["peer", "name", name, "netns", other.#name];
    await ip("link", "add", name, "netns", this.#name, "type", "veth", ...peer);
    for (const [at, addresses] of [[this.#name, here], [other.#name, there]] as const) {
      for (const address of addresses) await ip("-n", at, "address", "add", address, "dev", name);
      await ip("-n", at, "link", "set", name, "up");
    }
  }

  /** Kills all programs in this namespace. */
  async kill(): Promise<void> {
    const left = await ip("netns", "pids", this.#name);
    for (const pid of left.split("\n").filter(Boolean)) {
      try {
        Deno.kill(Number(pid), "SIGKILL");
      } catch (error) {
        // It has ended meanwhile.
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await ip("netns", "delete", this.#name);
    await Deno.remove(this.#files, { recursive: true }).catch(() => {});
  }
}

/** Downloads the dependencies of modules, which is impossible inside a namespace. */
export async function fetchModules(...paths: string[]): Promise<void> {
  const { code, output } = await run([Deno.execPath(), "cache", ...paths]);
  if (code !== 0) throw new Error(`Cannot fetch what modules need: ${output}`);
}

async function ip(...words: string[]): Promise<string> {
  const { code, output } = await run(["ip", ...words]);
  if (code !== 0) throw new Error(`'ip ${words.join(" ")}' failed: ${output.trim()}`);
  return output;
}

/** A private network, a public one, and the machine between them. */
export interface Sides {
  readonly inside: Namespace;
  readonly between: Namespace;
  readonly outside: Namespace;
}

/** The IPv4 addresses of the three sides. */
export interface SideAddresses {
  readonly nodes: readonly string[];
  readonly proxy: { readonly private: string; readonly public: string };
  readonly client: string;
}

/** Connects the machine between to both sides, which have no other route to each other. */
export async function cable(
  { inside, between, outside }: Sides,
  { nodes, proxy, client }: SideAddresses,
): Promise<void> {
  await inside.connect(between, {
    name: "private",
    here: nodes.map((address) => `${address}/24`),
    there: [`${proxy.private}/24`],
  });
  await between.connect(outside, {
    name: "public",
    here: [`${proxy.public}/24`],
    there: [`${client}/24`],
  });
}
