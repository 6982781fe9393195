import { checkReplaceable, replaceFile } from "../platform/atomic_file.ts";
import { log } from "../platform/log.ts";
import { OperatorError } from "../platform/operator_error.ts";
import { formatMap } from "./map_file.ts";
import type { NatTable } from "./nat_table.ts";
import type { PublicViews } from "./public_view.ts";
import { formatState } from "./state_file.ts";

/** Which files to write. */
export interface MappingFilesOptions {
  /** The path of the state file; undefined for none. */
  readonly stateFile: string | undefined;
  /** The path of the map file; undefined for none. */
  readonly mapFile: string | undefined;
}

/** What the files are written from. */
export interface MappingFilesContext {
  readonly natTable: Pick<NatTable, "nodes" | "savedPorts">;
  readonly views: PublicViews;
}

/** The files that are written from the NAT table: the state file and the map file. */
export class MappingFiles {
  readonly #files: MappingFile[];
  #writing: Promise<void> = Promise.resolve();
  /** Whether a write is queued that has not started. */
  #isQueued = false;

  constructor(
    { stateFile, mapFile }: MappingFilesOptions,
    { natTable, views }: MappingFilesContext,
  ) {
    this.#files = [
      new MappingFile(stateFile, () => formatState(natTable.savedPorts, views.slice(1))),
      new MappingFile(mapFile, () => formatMap(views, natTable.nodes)),
    ];
  }

  /**
   * Checks that the files can be written, and leaves them unchanged.
   *
   * @throws {OperatorError} if one cannot be written
   */
  async checkWritable(): Promise<void> {
    for (const file of this.#files) await file.checkWritable();
  }

  /**
   * Writes the files for the first time.
   *
   * @throws {OperatorError} if one cannot be written; the others are then unchanged
   */
  async begin(): Promise<void> {
    await this.checkWritable();
    for (const file of this.#files) await file.write();
  }

  /**
   * Starts to write the files that have changed. One that cannot be written is retried at the next
   * call.
   */
  update(): void {
    if (this.#isQueued) return;
    this.#isQueued = true;
    this.#writing = this.#writing.then(async () => {
      this.#isQueued = false;
      for (const file of this.#files) await file.tryToWrite();
    });
  }

  /** Resolves when no write is in progress. */
  async settled(): Promise<void> {
    await this.#writing;
  }
}

/** One file, or none if its path is undefined. */
class MappingFile {
  readonly #path: string | undefined;
  readonly #format: () => string;
  #written: string | undefined;
  #hasFailed = false;

  constructor(path: string | undefined, format: () => string) {
    this.#path = path;
    this.#format = format;
  }

  async checkWritable(): Promise<void> {
    if (this.#path !== undefined) await checkReplaceable(this.#path, this.#format());
  }

  async write(): Promise<void> {
    const text = this.#format();
    if (this.#path === undefined || text === this.#written) return;
    await replaceFile(this.#path, text);
    this.#written = text;
  }

  /** Writes the file; logs the first of several failures. */
  async tryToWrite(): Promise<void> {
    try {
      await this.write();
      this.#hasFailed = false;
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      if (!this.#hasFailed) log.error("{reason}", { reason: error.message });
      this.#hasFailed = true;
    }
  }
}
