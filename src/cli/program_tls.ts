import { OptionFileError } from "../platform/files_watcher.ts";
import type { TlsFilesWatcher, UsedCertificate } from "../tls/files_watcher.ts";
import type { NodeMaterial, ServerMaterial } from "../tls/material.ts";
import type { ThreadTls, TlsMaterial } from "../tls/thread_tls.ts";
import type { Config } from "./config.ts";
import { ConfigError } from "./config_error.ts";

/** The files of each side; undefined for one that does not speak TLS. */
interface Watchers {
  readonly server: TlsFilesWatcher<ServerMaterial> | undefined;
  readonly node: TlsFilesWatcher<NodeMaterial> | undefined;
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
   * Reads the files, and logs warnings about them; undefined if no option asks for TLS.
   *
   * @throws {ConfigError} if one cannot be used
   */
  static async open(
    { tls, clusterTls, publicHost, publicIp }: Pick<
      Config,
      "tls" | "clusterTls" | "publicHost" | "publicIp"
    >,
  ): Promise<ProgramTls | undefined> {
    if (tls === undefined && clusterTls === undefined) return undefined;
    assertRuntime();
    // Loaded only if an option asks for TLS, for a short start.
    const [{ TlsFilesWatcher }, { nodeFiles, serverFiles }, { ThreadTls }] = await Promise.all([
      import("../tls/files_watcher.ts"),
      import("../tls/tls_files.ts"),
      import("../tls/thread_tls.ts"),
    ]);
    try {
      const watchers = {
        server: tls && await TlsFilesWatcher.open(serverFiles(tls, publicHost, publicIp)),
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
    const { server, node } = this.#watchers;
    return [server, node].flatMap((watcher) => watcher?.certificates ?? []);
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
    this.#watchers.server?.start((server) => update({ server, node: undefined }));
    this.#watchers.node?.start((node) => update({ server: undefined, node }));
  }

  /** Whether an option names a file; nodes may be reached with the default roots alone. */
  get hasFiles(): boolean {
    return Object.values(this.#watchers).some((watcher) => watcher?.hasFiles);
  }

  /** Reads the files at once, and logs the result. */
  async reload(): Promise<void> {
    const { server, node } = this.#watchers;
    await Promise.all([server, node].map((watcher) => watcher?.hasFiles && watcher.reload()));
  }

  /** Stops following the files. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#watchers.server?.stop(), this.#watchers.node?.stop()]);
  }
}

function materialOf({ server, node }: Watchers): TlsMaterial {
  return { server: server?.material, node: node?.material };
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
