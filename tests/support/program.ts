import { OPTIONS } from "../../src/cli/options.ts";
import { until, within } from "./until.ts";

/** The result of a program. */
export interface Outcome {
  readonly code: number;
  /** Everything that it printed, stdout before stderr. */
  readonly output: string;
}

/** How a program is run. */
export interface RunOptions {
  /** Environment variables besides those of the test. */
  readonly env?: Readonly<Record<string, string>>;
  /** The working directory, by default that of the test. */
  readonly cwd?: string;
  readonly deadlineMs?: number;
}

/** The programs here work for a few seconds. */
const RUN_DEADLINE_MS = 60_000;

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
  const process = spawn(command, { ...options, stdin: "piped" });
  const end = Promise.all([
    process.output(),
    // A program that fails may leave input unread.
    new Blob([input]).stream().pipeTo(process.stdin).catch(() => {}),
  ]);
  try {
    const [{ code, stdout, stderr }] = await within(
      `see the end of '${command.join(" ")}'`,
      end,
      deadlineMs,
    );
    const decoder = new TextDecoder();
    return { code, output: decoder.decode(stdout) + decoder.decode(stderr) };
  } catch (error) {
    process.kill("SIGKILL");
    await end;
    throw error;
  }
}

/** A program ends on SIGTERM without waiting. */
const STOP_DEADLINE_MS = 5_000;

/** A program that runs until its block ends. */
export class Program implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #end: Promise<unknown>;
  #status: Deno.CommandStatus | undefined;
  #stdout = "";
  #stderr = "";

  private constructor(process: Deno.ChildProcess) {
    this.#process = process;
    this.#end = Promise.all([
      process.status.then((status) => this.#status = status),
      collect(process.stdout, (text) => this.#stdout += text),
      collect(process.stderr, (text) => this.#stderr += text),
    ]);
  }

  /**
   * Starts a program and waits until it is ready.
   *
   * @param ready extracts a result from stdout so far, or returns undefined
   * @throws {Error} with its output, if it ends before or the deadline passes
   */
  static async start<T>(
    command: readonly string[],
    ready: (stdout: string) => T | undefined,
    deadlineMs: number,
  ): Promise<{ program: Program; known: T }> {
    const program = new Program(spawn(command, { stdin: "null" }));
    try {
      const { known } = await until(`'${command.join(" ")}' is ready`, (saw) => {
        saw(program.#stdout + program.#stderr);
        const known = ready(program.#stdout);
        return known !== undefined ? { known } : program.#status && { known };
      }, deadlineMs);
      if (known !== undefined) return { program, known };
      await program.#end;
      throw new Error(`The program ended before it was ready: ${program.#stderr}`);
    } catch (error) {
      await program.#kill();
      throw error;
    }
  }

  /**
   * Ends the program with SIGTERM.
   *
   * @throws {Error} with its stderr, if it fails
   */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#status === undefined) this.#process.kill("SIGTERM");
      await within("stop the program", this.#end, STOP_DEADLINE_MS);
    } finally {
      await this.#kill();
    }
    if (!this.#status?.success) {
      throw new Error(`The program ended with the code ${this.#status?.code}: ${this.#stderr}`);
    }
  }

  async #kill(): Promise<void> {
    if (this.#status === undefined) this.#process.kill("SIGKILL");
    await this.#end;
  }
}

function spawn(
  command: readonly string[],
  { env = {}, ...options }: Pick<Deno.CommandOptions, "stdin" | "env" | "cwd">,
) {
  const [program, ...args] = command;
  // The proxy would read them as its options.
  const settings = new Set(OPTIONS.map(({ env }) => env));
  const variables = Object.entries(Deno.env.toObject()).filter(([name]) => !settings.has(name));
  return new Deno.Command(program!, {
    ...options,
    args,
    clearEnv: true,
    env: { ...Object.fromEntries(variables), ...env },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function collect(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  take: (text: string) => void,
): Promise<void> {
  for await (const text of stream.pipeThrough(new TextDecoderStream())) take(text);
}
