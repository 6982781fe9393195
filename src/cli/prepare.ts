import { configureLog, log } from "../platform/log.ts";
import type { Config } from "./config.ts";
import type { ProgramTls } from "./program_tls.ts";

/**
 * Configures the log, logs the warnings about the options, and reads the files of TLS.
 *
 * @throws {ConfigError} if a file of TLS cannot be used
 */
export async function prepare(config: Config): Promise<ProgramTls | undefined> {
  configureLog({ level: config.logLevel, format: config.logFormat, echo: config.echo });
  for (const warning of config.warnings) log.warning("{warning}", { warning });
  if (config.publicHostAssumed) {
    log.info("Advertising all nodes as {host}; set --public-host to change this", {
      host: config.publicHost,
    });
  }
  if (config.login !== undefined) {
    log.info(
      "Clients are logged in as user {user} (--login): whoever reaches a public port is that user",
      { user: config.login.username ?? "default" },
    );
  }
  return await openTls(config);
}

/**
 * Reads the TLS files. Returns undefined if no option asks for TLS.
 *
 * @throws {ConfigError} if one cannot be used
 */
export async function openTls(config: Config): Promise<ProgramTls | undefined> {
  const { tls, viewTls, clusterTls } = config;
  if (tls === undefined && viewTls.length === 0 && clusterTls === undefined) return undefined;
  // Loaded only if an option asks for TLS, for a short start.
  const { ProgramTls } = await import("./program_tls.ts");
  return await ProgramTls.open(config);
}

/** Sleeps for the start delay. */
export async function delay({ startDelayMs }: Pick<Config, "startDelayMs">): Promise<void> {
  if (startDelayMs > 0) await new Promise((resolve) => setTimeout(resolve, startDelayMs));
}
