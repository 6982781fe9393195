import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "./program.ts";

/** The checkout. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The target that `.ci/denort` supports. */
const SUPPORTED = "x86_64-unknown-linux-gnu";

/** Downloads 100 MB. */
const GET_DEADLINE_MS = 300_000;

/** The older deno that compiles without access to Deno's own server. */
export class Compiler {
  /** The directory that holds `deno` and the `denort` that it needs. */
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /**
   * Downloads it once. Returns the reason as text if this machine has none.
   *
   * @throws {Error} if CI has none
   */
  static async find(): Promise<Compiler | string> {
    if (Deno.build.target !== SUPPORTED) return `there is a denort for ${SUPPORTED} only`;
    const command = [join(ROOT, ".ci", "denort")];
    const { code, output } = await run(command, "", { deadlineMs: GET_DEADLINE_MS });
    const lines = output.trim().split("\n");
    if (code === 0) return new Compiler(lines[0]!);
    if (Deno.env.has("CI")) throw new Error(`There is no compiler: ${output}`);
    return lines.join("; ");
  }

  /** The environment that it needs. */
  get env(): Readonly<Record<string, string>> {
    return { DENORT_BIN: join(this.directory, "denort") };
  }

  /** Runs the task `compile` with these flags, and returns the paths that it prints. */
  async compile(...flags: string[]): Promise<string[]> {
    const task = [join(this.directory, "deno"), "task", "--quiet", "compile"];
    const { code, output } = await run([...task, ...flags], "", { cwd: ROOT, env: this.env });
    if (code !== 0) throw new Error(`Cannot compile: ${output}`);
    return output.trimEnd().split("\n");
  }
}
