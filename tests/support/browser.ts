import { type Browser, chromium } from "playwright-core";
import { missing } from "./program.ts";

/** The programs that can be driven, the first choice first. */
const PROGRAMS = ["chromium", "chromium-headless-shell", "google-chrome"];

const FLAGS = [
  "--headless",
  // Root may start a browser only without its sandbox.
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A headless browser with a fresh profile, until its block ends. */
export class TestBrowser implements AsyncDisposable {
  readonly browser: Browser;

  private constructor(browser: Browser) {
    this.browser = browser;
  }

  /** Why no browser can be started on this machine; undefined if one can. */
  static async hindrance(): Promise<string | undefined> {
    return await findProgram() === undefined ? `there is no ${PROGRAMS[0]}` : undefined;
  }

  /** Starts the browser that is installed. */
  static async start(): Promise<TestBrowser> {
    const program = (await findProgram())!;
    return new TestBrowser(
      await chromium.launch({ executablePath: program, args: FLAGS, chromiumSandbox: false }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser.close();
  }
}

/** The path of an installed browser. */
async function findProgram(): Promise<string | undefined> {
  for (const program of PROGRAMS) {
    if (await missing(program) !== undefined) continue;
    const { stdout } = await new Deno.Command("sh", { args: ["-c", `command -v ${program}`] })
      .output();
    return new TextDecoder().decode(stdout).trim();
  }
  return undefined;
}
