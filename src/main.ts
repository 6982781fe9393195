import project from "../deno.json" with { type: "json" };
import { formatHostPort } from "./platform/address.ts";
import { checkStart } from "./cli/check.ts";
import { checkHealth } from "./cli/healthcheck.ts";
import { configureLog, log } from "./platform/log.ts";
import { OperatorError } from "./platform/operator_error.ts";
import { OutputError, writeLine, writeStderr } from "./platform/output.ts";
import { Proxy } from "./proxy/proxy.ts";
import { type Config, ConfigError, readConfig } from "./cli/config.ts";
import { helpText, readSubcommand } from "./cli/options.ts";
import { logUncaughtErrors } from "./platform/uncaught_errors.ts";

/** Exit statuses: all went well, the proxy could not start, it was not told rightly how to. */
const Exit = { ok: 0, failed: 1, misused: 2 } as const;

async function main(): Promise<number> {
  let fail = (message: string) => writeStderr(`redis-cluster-nat: ${message}`);
  try {
    const command = readConfig(Deno.args, (name) => Deno.env.get(name));
    switch (command.kind) {
      case "help":
        print(helpText().trimEnd());
        break;
      case "version":
        print(describeVersion(project));
        break;
      case "healthcheck":
        print(`Healthy: ${formatHostPort(await checkHealth(command.addresses))} answers`);
        break;
      case "run": {
        const { config } = command;
        configureLog({ level: config.logLevel, format: config.logFormat, echo: config.echo });
        // Who reads objects gets the last words as one, too.
        if (config.logFormat === "json") {
          fail = (message) => log.error("{message}", { message });
        }
        const stopping = untilStopped();
        await (command.check ? check(config, stopping) : serve(config, stopping));
      }
    }
    return Exit.ok;
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    fail(error.message);
    const misused = error instanceof ConfigError;
    // Of a health check Docker understands no other status.
    return misused && readSubcommand(Deno.args) !== "healthcheck" ? Exit.misused : Exit.failed;
  }
}

/**
 * Finds out whether the proxy could start.
 *
 * @throws {OperatorError} when `stopping` ends it before
 */
async function check(config: Config, stopping: Promise<undefined>): Promise<void> {
  const checked = prepare(config).then(() => checkStart(config, print)).then(() => true);
  if (await Promise.race([checked, stopping])) return;
  throw new OperatorError("The check was stopped before it was done");
}

/** Runs the proxy until `stopping` ends it. */
async function serve(config: Config, stopping: Promise<undefined>): Promise<void> {
  const starting = prepare(config).then(() => Proxy.start(config, announcer()));
  const proxy = await Promise.race([starting, stopping]);
  if (proxy === undefined) return;
  log.info("Ready: {nodes} nodes at {host}", {
    nodes: proxy.nodes.length,
    host: config.publicHost,
  });
  logUncaughtErrors();
  await Promise.race([stopping, proxy.failure]);
  log.info("Stopping");
  await proxy.stop(config.shutdownGraceMs);
}

/** Says what there is to say about the settings, and sleeps if they want that. */
async function prepare(config: Config): Promise<void> {
  for (const warning of config.warnings) log.warning("{warning}", { warning });
  if (config.publicHostAssumed) {
    log.info("Clients are given {host} as the host of every node; --public-host changes that", {
      host: config.publicHost,
    });
  }
  if (config.startDelayMs === 0) return;
  await new Promise((resolve) => setTimeout(resolve, config.startDelayMs));
}

/** Launchers pass on a Ctrl-C that the program gets from the terminal, too. */
const SAME_SIGNAL_MS = 200;

/** Resolved by the first signal to stop; the second one ends the program at once. */
function untilStopped(): Promise<undefined> {
  return new Promise((resolve) => {
    let askedAtMs: number | undefined;
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      // Windows has no SIGTERM.
      if (signal === "SIGTERM" && Deno.build.os === "windows") continue;
      Deno.addSignalListener(signal, () => {
        const nowMs = performance.now();
        askedAtMs ??= nowMs;
        if (nowMs - askedAtMs > SAME_SIGNAL_MS) Deno.exit(Exit.ok);
        resolve(undefined);
      });
    }
  });
}

/** An executable tells the commit it was made from. */
function describeVersion({ version, commit }: { version: string; commit?: string }): string {
  return `redis-cluster-nat ${version}` + (commit === undefined ? "" : ` (${commit})`);
}

/** @throws {OutputError} when stdout cannot be written to */
function print(text: string): void {
  try {
    writeLine(Deno.stdout, text);
  } catch (error) {
    if (!(error instanceof OutputError)) throw error;
    throw new OutputError(`Cannot write to stdout: ${error.message}`, { cause: error });
  }
}

/** Prints for whoever reads along; that nobody does is said once, and no reason not to serve. */
function announcer(): (line: string) => void {
  let isRead = true;
  return (line) => {
    try {
      print(line);
    } catch (error) {
      if (!(error instanceof OutputError)) throw error;
      if (isRead) log.warning("{reason}", { reason: error.message });
      isRead = false;
    }
  };
}

if (import.meta.main) Deno.exit(await main());
