import { missing, Program } from "./program.ts";
import type { TemporaryDirectory } from "./temporary.ts";
import { until } from "./until.ts";

/** A port of HAProxy that relays TCP connections. */
export interface BalancedPort {
  /** Where it listens: `host:port`, and options; several addresses are separated by commas. */
  readonly bind: string;
  /** The servers behind it: each `host:port`, and options. */
  readonly servers: readonly string[];
}

/** Why HAProxy cannot be started; undefined if it can. */
export function missingHaProxy(): Promise<string | undefined> {
  return missing("haproxy");
}

/**
 * The configuration of HAProxy in TCP mode, with one thread and without a log. A port is named
 * `port0` and so on, and its servers `server0` and so on.
 *
 * @param global more lines of the section `global`
 * @param defaults more lines of the section `defaults`
 */
export function haProxyConfig(
  ports: readonly BalancedPort[],
  { global = [], defaults = [] }: { global?: readonly string[]; defaults?: readonly string[] } = {},
): string {
  const sections: Record<string, readonly string[]> = {
    "global": ["nbthread 1", ...global],
    "defaults": [
      "mode tcp",
      "timeout connect 5s",
      "timeout client 1h",
      "timeout server 1h",
      ...defaults,
    ],
  };
  ports.forEach(({ bind, servers }, index) => {
    const named = servers.map((server, number) => `server server${number} ${server}`);
    sections[`listen port${index}`] = [`bind ${bind}`, ...named];
  });
  return Object.entries(sections)
    .map(([name, lines]) => `${name}\n${lines.map((line) => `  ${line}\n`).join("")}`).join("");
}

/** How HAProxy is started. */
export interface HaProxyOptions {
  readonly ports: readonly BalancedPort[];
  /** More lines of the section `defaults`. */
  readonly defaults?: readonly string[];
  /** The words of a program that executes it. */
  readonly before?: readonly string[];
}

/** HAProxy as a load balancer, which ends with its block. */
export class HaProxy implements AsyncDisposable {
  readonly #program: Program;
  readonly #socket: string;

  private constructor(program: Program, socket: string) {
    this.#program = program;
    this.#socket = socket;
  }

  /** Starts it, with its files in a directory, and waits until it listens. */
  static async start(
    directory: TemporaryDirectory,
    { ports, defaults = [], before = [] }: HaProxyOptions,
  ): Promise<HaProxy> {
    const id = crypto.randomUUID().slice(0, 8);
    const [file, socket] = [directory.at(`${id}.cfg`), directory.at(`${id}.sock`)];
    const global = [`stats socket ${socket} mode 600 level admin`];
    await Deno.writeTextFile(file, haProxyConfig(ports, { global, defaults }));
    const program = new Program([...before, "haproxy", "-db", "-f", file]);
    const haProxy = new HaProxy(program, socket);
    try {
      await until("HAProxy answers", async (saw) => {
        saw(program.stderr);
        return program.code !== undefined || await haProxy.ask("show info");
      });
      if (program.code !== undefined) throw new Error(`HAProxy has ended: ${program.stderr}`);
    } catch (error) {
      await program.kill();
      throw error;
    }
    return haProxy;
  }

  /** The state of each server, such as `UP L7OK`, by the name of its port and its own: `port0/server0`. */
  async servers(): Promise<Map<string, string>> {
    const [head, ...rows] = (await this.ask("show stat")).trim().split("\n");
    const fields = head!.replace("# ", "").split(",");
    const states = rows.map((row) => {
      const values = row.split(",");
      const value = (field: string) => values[fields.indexOf(field)] ?? "";
      return {
        name: `${value("pxname")}/${value("svname")}`,
        state: `${value("status")} ${value("check_status")}`,
      };
    });
    return new Map(
      states.filter(({ name }) => /\/server\d+$/.test(name)).map((
        { name, state },
      ) => [name, state]),
    );
  }

  /** Sends a command to its admin socket, and returns the answer. */
  async ask(command: string): Promise<string> {
    using connection = await Deno.connect({ transport: "unix", path: this.#socket });
    await connection.write(new TextEncoder().encode(`${command}\n`));
    return await new Response(connection.readable).text();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#program[Symbol.asyncDispose]();
  }
}
