import { configureLog, log } from "../platform/log.ts";
import type { Config } from "./config.ts";

/** Configures the log, logs the warnings about the options, and sleeps for the start delay. */
export async function prepare(config: Config): Promise<void> {
  configureLog({ level: config.logLevel, format: config.logFormat, echo: config.echo });
  for (const warning of config.warnings) log.warning("{warning}", { warning });
  if (config.publicHostAssumed) {
    log.info("Advertising all nodes as {host}; set --public-host to change this", {
      host: config.publicHost,
    });
  }
  if (config.startDelayMs === 0) return;
  await new Promise((resolve) => setTimeout(resolve, config.startDelayMs));
}
