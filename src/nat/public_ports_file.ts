import { MAX_PORT } from "../platform/address.ts";
import {
  FilesWatcher,
  type OptionFile,
  OptionFileError,
  type WatchedFiles,
} from "../platform/files_watcher.ts";
import { log } from "../platform/log.ts";
import type { PublicPort, PublicView } from "./public_view.ts";

/** How often the file is read, and what the log says of it. Clients wait for its first lines. */
const WATCHER_OPTIONS = {
  intervalMs: 500,
  used: "Clients are shown the public ports in the file of {options}",
  kept: "the previous public ports stay in use",
};

/** More ports than this are counted in the log, not listed. */
const MAX_LOGGED_PORTS = 10;

const EXPECTED = "expected the port of a listener and its public port, such as 8000 31000";

/**
 * Follows the file of `--public-ports-file`, which has the public port of each listener of a view.
 * A program writes it when the ports are known, which may be after the proxy has started. Until
 * then, and for listeners without a line, the view has no public port. A file that cannot be used
 * leaves the view as it is.
 */
export class PublicPortsFile {
  readonly #file: OptionFile;
  readonly #view: PublicView;
  readonly #watcher: FilesWatcher<readonly PublicPort[]>;
  /** The listeners that were logged because they had no public port, and why they had none. */
  #reported = { ports: [] as readonly number[], reason: "" };

  private constructor(
    file: OptionFile,
    view: PublicView,
    watcher: FilesWatcher<readonly PublicPort[]>,
  ) {
    this.#file = file;
    this.#view = view;
    this.#watcher = watcher;
    view.updatePublicPorts(watcher.value);
  }

  /** Reads the file, if there is one that can be used, into a view. */
  static async open(file: OptionFile, view: PublicView): Promise<PublicPortsFile> {
    const watcher = await FilesWatcher.openMissing(filesOf(file), WATCHER_OPTIONS, []);
    return new PublicPortsFile(file, view, watcher);
  }

  /**
   * Reads the file into a view twice a second, until `stop`.
   *
   * @param onChange is called when the view has other public ports
   */
  static async follow(
    file: OptionFile,
    view: PublicView,
    onChange: () => void,
  ): Promise<PublicPortsFile> {
    const followed = await PublicPortsFile.open(file, view);
    followed.#watcher.start((ports) => {
      view.updatePublicPorts(ports);
      onChange();
    });
    return followed;
  }

  /** Reads the file as it does twice a second; resolves when that is done. */
  poll(): Promise<void> {
    return this.#watcher.poll();
  }

  /** Reads the file for a client that needs a public port; resolves when that is done. */
  readNow(): Promise<void> {
    return this.#watcher.readNow();
  }

  /** Reads the file at once, and logs the result; resolves when that is done. */
  reload(): Promise<void> {
    return this.#watcher.reload();
  }

  /**
   * Checks the file, which may be missing yet, for `--check`.
   *
   * @throws {OptionFileError} if it is there and cannot be used
   */
  async check(): Promise<void> {
    // The second read finds whether the file is complete.
    await this.poll();
    this.#view.updatePublicPorts(this.#watcher.value);
    const { obstacle } = this.#watcher;
    if (obstacle !== undefined && !isMissing(obstacle)) throw obstacle;
  }

  /** Resolves when the file is not read any more. */
  stop(): Promise<void> {
    return this.#watcher.stop();
  }

  /**
   * Logs which of the listeners have no public port: once for each reason, and again when each has
   * one.
   *
   * @param rowPorts the ports of the rows in use
   */
  report(rowPorts: readonly number[]): void {
    const missing = rowPorts.filter((port) => this.#view.publicPort(port) === undefined)
      .map((port) => this.#view.listenPort(port));
    const { ports: reported, reason: reportedReason } = this.#reported;
    const reason = this.#reason;
    const isNew = reason !== reportedReason || missing.some((port) => !reported.includes(port));
    if (missing.length > 0 && isNew) {
      log.warning(
        "Clients get CLUSTERDOWN instead of port {ports}, whose public port is not known yet: " +
          "{reason}",
        { ports: listed(missing), reason },
      );
    } else if (missing.length === 0 && reported.length > 0) {
      log.info("The public ports of all nodes are known");
    }
    this.#reported = { ports: missing, reason };
  }

  /** Why listeners have no public port. */
  get #reason(): string {
    const { path, source } = this.#file;
    const file = `the file of ${source} '${path}'`;
    const { obstacle } = this.#watcher;
    if (obstacle === undefined) return `${file} has no line for it`;
    return isMissing(obstacle) ? `${file} does not exist yet` : obstacle.message;
  }
}

function isMissing(error: Error): boolean {
  return error.cause instanceof Deno.errors.NotFound;
}

/**
 * Parses the lines `LISTEN PUBLIC` of a file; `#` begins a comment.
 *
 * @param file for the error message
 * @param isSettled whether the last line may lack its line break, because nobody is writing it
 * @throws {OptionFileError} for the first line that cannot be used
 */
export function parsePublicPorts(file: OptionFile, text: string, isSettled: boolean): PublicPort[] {
  if (!isSettled && !text.endsWith("\n")) {
    throw invalid(file, "its last line has no line break, so it may be half written");
  }
  const ports: PublicPort[] = [];
  const lines = new Map<string, number>();
  for (const [index, line] of text.split("\n").entries()) {
    const content = line.replace(/#.*/s, "").trim();
    if (content === "") continue;
    const at = index + 1;
    const match = /^(\d{1,5})\s+(\d{1,5})$/.exec(content);
    if (match === null) throw invalid(file, `line ${at} has another form; ${EXPECTED}`);
    const port = { listen: Number(match[1]), public: Number(match[2]) };
    for (const [kind, number] of Object.entries(port)) {
      if (number < 1 || number > MAX_PORT) {
        throw invalid(file, `a port in line ${at} is not from 1 to ${MAX_PORT}; ${EXPECTED}`);
      }
      const other = lines.get(`${kind} ${number}`);
      if (other !== undefined) {
        const name = kind === "listen" ? "listener" : "public port";
        throw invalid(file, `lines ${other} and ${at} have the same ${name}; expected each once`);
      }
      lines.set(`${kind} ${number}`, at);
    }
    ports.push(port);
  }
  if (ports.length === 0) throw invalid(file, `it has no line yet; ${EXPECTED}`);
  return ports;
}

function filesOf(file: OptionFile): WatchedFiles<readonly PublicPort[]> {
  return {
    files: [file],
    parse: (texts, isSettled) => parsePublicPorts(file, texts.get(file)!, isSettled),
  };
}

function invalid({ source, path }: OptionFile, reason: string): OptionFileError {
  return new OptionFileError(`Cannot use the file of ${source} '${path}': ${reason}`);
}

function listed(ports: readonly number[]): string {
  const shown = ports.slice(0, MAX_LOGGED_PORTS).join(", ");
  const more = ports.length - MAX_LOGGED_PORTS;
  return more > 0 ? `${shown} and ${more} more` : shown;
}
