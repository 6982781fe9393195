import { log } from "../platform/log.ts";
import type { NodeMaterial, ServerMaterial } from "../tls/material.ts";
import type { TlsFilesWatcher } from "../tls/files_watcher.ts";
import type { Config } from "./config.ts";
import { ConfigError } from "./config_error.ts";

/** The files of both sides that use TLS, and what they contain. */
export interface TlsWatchers {
  /** Undefined if clients are served without TLS. */
  readonly server: TlsFilesWatcher<ServerMaterial> | undefined;
  /** Undefined if nodes are reached without TLS. */
  readonly node: TlsFilesWatcher<NodeMaterial> | undefined;
}

/**
 * Reads the files of TLS, and logs warnings about them. The caller starts the watchers.
 *
 * @throws {ConfigError} if one cannot be used
 */
export async function openTlsFiles(
  { tls, clusterTls }: Pick<Config, "tls" | "clusterTls">,
): Promise<TlsWatchers> {
  if (tls === undefined && clusterTls === undefined) return { server: undefined, node: undefined };
  // Loaded only if an option asks for TLS, for a short start.
  const [{ TlsFilesWatcher }, { nodeFiles, serverFiles, TlsFileError }] = await Promise.all([
    import("../tls/files_watcher.ts"),
    import("../tls/tls_files.ts"),
  ]);
  try {
    return {
      server: tls && await TlsFilesWatcher.open(serverFiles(tls)),
      node: clusterTls && await TlsFilesWatcher.open(nodeFiles(clusterTls)),
    };
  } catch (error) {
    if (!(error instanceof TlsFileError)) throw error;
    throw new ConfigError(error.message, { cause: error });
  }
}

/** Keeps both sides current until the program ends. */
export function startTlsWatchers({ server, node }: TlsWatchers): void {
  server?.start(() => {});
  node?.start(() => {});
}

/** Reads the files at once, and logs the result. */
export async function reloadTlsFiles({ server, node }: TlsWatchers): Promise<void> {
  const watchers = [server, node].filter((watcher) => watcher?.hasFiles);
  if (watchers.length === 0) log.info("Received SIGHUP; there are no TLS files to read");
  await Promise.all(watchers.map((watcher) => watcher?.reload()));
}
