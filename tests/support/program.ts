import { OPTIONS } from "../../src/cli/options.ts";
import { until, within } from "./until.ts";

/** What a program has left behind. */
export interface Outcome {
  readonly code: number;
  /** All that it printed, stdout before stderr. */
  readonly output: string;
}

/** How a program is run, apart from its words and its input. */
export interface RunOptions {
  /** Environment variables besides those of the test. */
  readonly env?: Readonly<Record<string, string>>;
  /** The working directory, where it is not that of the test. */
  readonly cwd?: string;
  readonly deadlineMs?: number;
}

/** A program that has a few seconds of work is stuck by then. */
const RUN_DEADLINE_MS = 60_000;

/**
 * Runs a program to its end, with `input` on its stdin.
 *
 * @throws {Error} when it does not come to an end
 */
export async function run(
  command: readonly string[],
  input = "",
  { deadlineMs = RUN_DEADLINE_MS, ...options }: RunOptions = {},
): Promise<Outcome> {
  const process = spawn(command, { ...options, stdin: "piped" });
  const end = Promise.all([
    process.output(),
    // One that fails may do so before it has read all.
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

/** A program that is to end in order on SIGTERM closes what it has and waits for nobody. */
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
   * @param ready makes of what it has printed so far what there is to know, or undefined
   * @throws {Error} with all that it printed, when it ends before or the deadline passes
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
   * @throws {Error} with all that it wrote to stderr, when it does not end in order
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
  // The proxy would take them for its settings, whoever set them.
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
