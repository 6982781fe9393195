import { OPTIONS } from "../../src/cli/options.ts";
import { until, within } from "./until.ts";

/** The result of a program that has ended. */
export interface Ending {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The result of a program whose streams do not matter. */
export interface Outcome {
  readonly code: number;
  /** Everything that it printed, stdout before stderr. */
  readonly output: string;
}

/** How a program is started. */
export interface ProgramOptions {
  /** Environment variables besides those of the test; options of the proxy are not among those. */
  readonly env?: Readonly<Record<string, string>>;
  /** The working directory, by default that of the test. */
  readonly cwd?: string;
  /** What it reads from stdin; nothing by default. */
  readonly input?: string;
  /** Whether it leads a process group of its own. */
  readonly detached?: boolean;
  /** Whether the end of its block ends it with SIGTERM, and expects the exit status 0. */
  readonly orderly?: boolean;
}

/** How a program is run to its end. */
export type RunOptions = ProgramOptions & { readonly deadlineMs?: number };

/** The programs here work for a few seconds. */
const RUN_DEADLINE_MS = 60_000;

/** A program ends on SIGTERM without waiting. */
const STOP_DEADLINE_MS = 5_000;

/**
 * Runs a program to its end, with `input` on its stdin.
 *
 * @throws {Error} if it does not end in time
 */
export async function run(
  command: readonly string[],
  input = "",
  { deadlineMs = RUN_DEADLINE_MS, ...options }: RunOptions = {},
): Promise<Outcome> {
  await using program = new Program(command, { ...options, input });
  const { code, stdout, stderr } = await program.ended(deadlineMs);
  return { code, output: stdout + stderr };
}

/** Why a program is not found on the PATH; undefined if it is. */
export async function missing(program: string): Promise<string | undefined> {
  const { code } = await run(["sh", "-c", `command -v ${program}`]);
  return code === 0 ? undefined : `there is no ${program}`;
}

/** A process, whose output is collected. It is killed when its block ends, unless it is `orderly`. */
export class Program implements AsyncDisposable {
  readonly #name: string;
  readonly #orderly: boolean;
  readonly #process: Deno.ChildProcess;
  readonly #end: Promise<unknown>;
  /** The exit code, once the process has ended. */
  code: number | undefined;
  /** Everything on stdout so far. */
  stdout = "";
  /** Everything on stderr so far. */
  stderr = "";

  constructor(command: readonly string[], options: ProgramOptions = {}) {
    const { env, input = "", orderly = false, ...rest } = options;
    const [program, ...args] = command;
    this.#name = command.join(" ");
    this.#orderly = orderly;
    const process = new Deno.Command(program!, {
      ...rest,
      args,
      env: { ...foreignVariables(), ...env },
      clearEnv: true,
      stdin: input === "" ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#process = process;
    this.#end = Promise.all([
      process.status.then(({ code }) => this.code = code),
      collect(process.stdout, (text) => this.stdout += text),
      collect(process.stderr, (text) => this.stderr += text),
      // A program that fails may leave input unread.
      input !== "" && new Blob([input]).stream().pipeTo(process.stdin).catch(() => {}),
    ]);
  }

  /**
   * Starts an orderly program and waits until it is ready.
   *
   * @param ready extracts a result from stdout so far, or returns undefined
   * @throws {Error} with its output, if it ends before or the deadline passes
   */
  static async start<T>(
    command: readonly string[],
    ready: (stdout: string) => T | undefined,
    deadlineMs: number,
  ): Promise<{ program: Program; known: T }> {
    const program = new Program(command, { orderly: true });
    try {
      const known = await program.until("is ready", () => ready(program.stdout), deadlineMs);
      return { program, known };
    } catch (error) {
      await program.kill();
      throw error;
    }
  }

  get pid(): number {
    return this.#process.pid;
  }

  signal(signal: Deno.Signal): void {
    this.#process.kill(signal);
  }

  /**
   * Waits for a condition on its output, and returns what that returns.
   *
   * @throws {Error} with its stderr, if the program ends before
   */
  async until<T>(
    what: string,
    condition: () => T | null | undefined | false,
    deadlineMs: number,
  ): Promise<T> {
    const outcome = await until(`'${this.#name}' ${what}`, (saw) => {
      saw(`${this.stdout}${this.stderr}`);
      const held = condition();
      return held ? { held } : this.code !== undefined && { held };
    }, deadlineMs);
    if (outcome.held) return outcome.held;
    await this.#end;
    throw new Error(`'${this.#name}' ended with the code ${this.code}: ${this.stderr}`);
  }

  async ended(deadlineMs = RUN_DEADLINE_MS): Promise<Ending> {
    await within(`see the end of '${this.#name}'`, this.#end, deadlineMs);
    return { code: this.code!, stdout: this.stdout, stderr: this.stderr };
  }

  async kill(): Promise<void> {
    try {
      if (this.code === undefined) this.#process.kill("SIGKILL");
    } catch (error) {
      // It has ended, and its status comes in a later turn.
      if (!(error instanceof TypeError)) throw error;
    }
    await this.#end;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#orderly) return await this.kill();
    try {
      if (this.code === undefined) this.#process.kill("SIGTERM");
      const { code, stderr } = await this.ended(STOP_DEADLINE_MS);
      if (code !== 0) throw new Error(`'${this.#name}' ended with the code ${code}: ${stderr}`);
    } finally {
      await this.kill();
    }
  }
}

/** The environment without the options of the proxy. */
function foreignVariables(): Record<string, string> {
  const own = new Set(OPTIONS.map(({ env }) => env));
  return Object.fromEntries(Object.entries(Deno.env.toObject()).filter(([name]) => !own.has(name)));
}

async function collect(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  take: (text: string) => void,
): Promise<void> {
  for await (const text of stream.pipeThrough(new TextDecoderStream())) take(text);
}
