// cli/ is the command line and the commands. It owns the options (options.ts has one row for each),
// Config, --help, signals, exit statuses and stdout. It may import every layer, and only main.ts
// imports it.
//
// Config is known here only: each layer declares the options that it takes, and Config has them
// all. Start with config.ts, which turns arguments and environment variables into a command, and
// with serve below, which runs the proxy.

import { log } from "../platform/log.ts";
import type { ProgramVersion } from "../platform/program_version.ts";
import { withTimeout } from "../platform/timeout.ts";
import { logUncaughtErrors } from "../platform/uncaught_errors.ts";
import type { Proxy } from "../proxy/proxy.ts";
import type { Config } from "./config.ts";
import { delay, prepare } from "./prepare.ts";
import type { ProgramTls } from "./program_tls.ts";
import { untilHungUp, untilStopped } from "./signals.ts";
import { startProxy } from "./start_proxy.ts";
import { startStatusServer } from "./start_status.ts";
import { stdoutAnnouncer } from "./stdout.ts";

/**
 * Runs the proxy until a signal stops it.
 *
 * @param about which program this is
 * @throws {OperatorError} when it cannot start, or a thread ends
 */
export async function serve(config: Config, about: ProgramVersion): Promise<void> {
  let tls: ProgramTls | undefined;
  let created: Proxy | undefined;
  const reload = () => {
    const ports = created?.reloadPublicPorts();
    if (tls?.hasFiles) tls.reload();
    else if (created === undefined) log.info("Received SIGHUP; the start will read all files");
    else if (ports === undefined) {
      log.info("Received SIGHUP; there are no files of TLS or public ports to read");
    }
  };
  const stopping = Promise.race([untilStopped(), untilHungUp(reload)]);
  const events = {
    announce: stdoutAnnouncer(),
    created: (proxy: Proxy) => created = proxy,
  };
  const starting = prepare(config).then(async (opened) => {
    tls = opened;
    await startStatusServer(config, { about, proxyOf: () => created, tls });
    await delay(config);
    return await startProxy(config, events, opened);
  });
  const proxy = await Promise.race([starting, stopping]);
  if (proxy === undefined) return;
  log.info("Ready: {nodes} nodes at {host}", {
    nodes: proxy.nodes.length,
    host: publicHosts(config),
  });
  logUncaughtErrors();
  await Promise.race([stopping, proxy.failure]);
  proxy.beginDrain();
  await delayDrain(proxy, config);
  log.info("Stopping");
  await proxy.stop(config.shutdownGraceMs);
}

/** Serves on for a while, so that load balancers notice the stop and send no more clients. */
async function delayDrain(
  { failure }: Pick<Proxy, "failure">,
  { drainDelayMs }: Pick<Config, "drainDelayMs">,
): Promise<void> {
  if (drainDelayMs === 0) return;
  log.info("Stopping in {delay_ms} ms (--drain-delay)", { delay_ms: drainDelayMs });
  await withTimeout(failure, drainDelayMs);
}

/** The public host of each view, for the log. */
function publicHosts({ publicHost, otherViews }: Config): string {
  const shown = (host: string | undefined) => host ?? "the address that a client has connected to";
  const others = otherViews.map((view) => `${shown(view.publicHost)} (view ${view.name})`);
  return [shown(publicHost), ...others].join(", ");
}
