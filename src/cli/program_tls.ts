import { OptionFileError } from "../platform/files_watcher.ts";
import { TlsFilesWatcher, type UsedCertificate } from "../tls/files_watcher.ts";
import type { NodeMaterial, ServerMaterial } from "../tls/material.ts";
import { ThreadTls, type TlsMaterial } from "../tls/thread_tls.ts";
import { DEFAULT_VIEW, type PublicViewOptions } from "../nat/public_view.ts";
import { nodeFiles, serverFiles, type ServerTlsFiles, type ShownHost } from "../tls/tls_files.ts";
import type { Config } from "./config.ts";
import { ConfigError } from "./config_error.ts";
import { type ClientTls, tlsOfView } from "./tls_options.ts";

/** The files of each side. */
interface Watchers {
  /** None if clients are served without TLS. */
  readonly servers: readonly ServerWatcher[];
  /** Undefined if nodes are reached without TLS. */
  readonly node: TlsFilesWatcher<NodeMaterial> | undefined;
}

/** The files for the clients of some views. */
interface ServerWatcher {
  /** The names of the views. */
  readonly views: readonly string[];
  readonly watcher: TlsFilesWatcher<ServerMaterial>;
}

/** TLS of the whole program: its files, and what they mean for new connections. */
export class ProgramTls implements AsyncDisposable {
  /** TLS of the main thread. */
  readonly sides: ThreadTls;
  readonly #watchers: Watchers;

  private constructor(watchers: Watchers, sides: ThreadTls) {
    this.#watchers = watchers;
    this.sides = sides;
  }

  /**
   * Reads the files, and logs warnings about them.
   *
   * @throws {ConfigError} if one cannot be used
   */
  static async open(
    config: ShownTls & Pick<Config, "clusterTls">,
  ): Promise<ProgramTls> {
    const { clusterTls } = config;
    assertRuntime();
    try {
      const opened: ServerWatcher[] = [];
      for (const { views, files, shown } of serversOf(config)) {
        opened.push({
          views,
          watcher: await TlsFilesWatcher.open(serverFiles(files, shown)),
        });
      }
      const watchers = {
        servers: opened,
        node: clusterTls && await TlsFilesWatcher.open(nodeFiles(clusterTls)),
      };
      return new ProgramTls(watchers, new ThreadTls(materialOf(watchers)));
    } catch (error) {
      if (!(error instanceof OptionFileError)) throw error;
      throw new ConfigError(error.message, { cause: error });
    }
  }

  /** The certificates in use, those of the side of clients first. */
  get certificates(): readonly UsedCertificate[] {
    return this.#all.flatMap(({ certificates }) => certificates);
  }

  /** What the other threads need for TLS. */
  get material(): TlsMaterial {
    return materialOf(this.#watchers);
  }

  /** Follows changes of the files from now on; `onChange` brings them to the other threads. */
  follow(onChange: (changed: TlsMaterial) => void): void {
    const update = (changed: TlsMaterial) => {
      // Throws if it is unusable; then no thread gets it.
      this.sides.update(changed);
      onChange(changed);
    };
    for (const { views, watcher } of this.#watchers.servers) {
      watcher.start((material) => update({ servers: forEach(views, material), node: undefined }));
    }
    this.#watchers.node?.start((node) => update({ servers: {}, node }));
  }

  /** Whether an option names a file; nodes may be reached with the default roots alone. */
  get hasFiles(): boolean {
    return this.#all.some((watcher) => watcher.hasFiles);
  }

  /** Reads the files at once, and logs the result. */
  async reload(): Promise<void> {
    await Promise.all(this.#all.map((watcher) => watcher.hasFiles && watcher.reload()));
  }

  /** Stops following the files. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map((watcher) => watcher.stop()));
  }

  get #all(): readonly Pick<
    TlsFilesWatcher<unknown>,
    "certificates" | "hasFiles" | "reload" | "stop"
  >[] {
    const { servers, node } = this.#watchers;
    const all = servers.map(({ watcher }) => watcher);
    return node === undefined ? all : [...all, node];
  }
}

/** TLS towards clients, and which hosts they verify. */
type ShownTls = ClientTls & Pick<Config, "publicHost" | "publicIp" | "otherViews">;

/** The files for clients, with the views that use them. */
interface Server {
  readonly files: ServerTlsFiles;
  readonly views: readonly string[];
  readonly shown: readonly ShownHost[];
}

/** Views without files of their own use those of the first view. */
function serversOf(
  { publicHost, publicIp, otherViews, ...tls }: ShownTls,
): Server[] {
  const views = [{ name: DEFAULT_VIEW, publicHost, publicIp }, ...otherViews];
  const byFiles = new Map<ServerTlsFiles, typeof views>();
  for (const view of views) {
    const files = tlsOfView(view.name, tls);
    if (files !== undefined) byFiles.set(files, [...byFiles.get(files) ?? [], view]);
  }
  return [...byFiles].map(([files, views]) => ({
    files,
    views: views.map(({ name }) => name),
    shown: views.flatMap(shownIn),
  }));
}

/** The hosts that the clients of a view verify, as far as they are known. */
function shownIn(
  { name, publicHost, publicIp }: Pick<PublicViewOptions, "name" | "publicHost" | "publicIp">,
): ShownHost[] {
  const shown: ShownHost[] = [];
  const option = name === DEFAULT_VIEW ? "--public-host" : "--view";
  if (publicHost !== undefined) shown.push({ host: publicHost, kind: "host", option });
  if (publicIp !== undefined) {
    shown.push({ host: publicIp, kind: "IP address", option: "--public-ip" });
  }
  return shown;
}

function materialOf({ servers, node }: Watchers): TlsMaterial {
  const material = servers.map(({ views, watcher }) => forEach(views, watcher.material));
  return { servers: Object.assign({}, ...material), node: node?.material };
}

function forEach(
  views: readonly string[],
  material: ServerMaterial,
): Record<string, ServerMaterial> {
  return Object.fromEntries(views.map((view) => [view, material]));
}

/** The first runtime that can verify certificates, and speaks TLS over a stream. */
const NEEDED = [2, 9];

/** @throws {ConfigError} if the runtime is too old; a compiled program has that of its compiler */
function assertRuntime(): void {
  const [major = 0, minor = 0] = Deno.version.deno.split(".").map(Number);
  if (major > NEEDED[0]! || (major === NEEDED[0] && minor >= NEEDED[1]!)) return;
  throw new ConfigError(
    `Cannot use TLS with Deno ${Deno.version.deno}: expected Deno ${NEEDED.join(".")} or newer; ` +
      "run or compile the program with that",
  );
}
