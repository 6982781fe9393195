import { log } from "../platform/log.ts";
import type { Mapping } from "../proxy/startup.ts";
import type { Config } from "../cli/config.ts";
import { OperatorError } from "../platform/operator_error.ts";
import { checkReplaceable, replaceFile } from "../platform/atomic_file.ts";
import { formatMap } from "./map_file.ts";
import { formatState } from "./state_file.ts";

/** The files that tell of the mapping: the state file and the map file, as far as there are. */
export class MappingFiles {
  readonly #records: Record[];
  #writing: Promise<void> = Promise.resolve();
  /** To write once more when what is being written is. */
  #stale = false;

  constructor({ stateFile, mapFile, publicHost }: Config, { natTable, ports }: Mapping) {
    this.#records = [
      new Record(stateFile, () => formatState(ports.saved)),
      new Record(
        mapFile,
        () => formatMap(publicHost, natTable.nodes.filter(({ id }) => id !== "")),
      ),
    ];
  }

  /**
   * Finds out whether the files can be written, and leaves them as they are.
   *
   * @throws {OperatorError} when one cannot
   */
  async checkWritable(): Promise<void> {
    for (const record of this.#records) await record.rehearse();
  }

  /**
   * Writes the files for the first time.
   *
   * @throws {OperatorError} when one cannot be written; then the others are as they were
   */
  async begin(): Promise<void> {
    await this.checkWritable();
    for (const record of this.#records) await record.write();
  }

  /** Writes what has changed, soon. What cannot be written is tried again the next time. */
  update(): void {
    if (this.#stale) return;
    this.#stale = true;
    this.#writing = this.#writing.then(async () => {
      this.#stale = false;
      for (const record of this.#records) await record.tryToWrite();
    });
  }

  /** Waits until nothing is being written. */
  async settled(): Promise<void> {
    await this.#writing;
  }
}

/** One file, and what is in it. */
class Record {
  readonly #path: string | undefined;
  readonly #format: () => string;
  #written: string | undefined;
  #failed = false;

  constructor(path: string | undefined, format: () => string) {
    this.#path = path;
    this.#format = format;
  }

  async rehearse(): Promise<void> {
    if (this.#path !== undefined) await checkReplaceable(this.#path, this.#format());
  }

  async write(): Promise<void> {
    const text = this.#format();
    if (this.#path === undefined || text === this.#written) return;
    await replaceFile(this.#path, text);
    this.#written = text;
  }

  /** Says what goes wrong, but only the first time. */
  async tryToWrite(): Promise<void> {
    try {
      await this.write();
      this.#failed = false;
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      if (!this.#failed) log.error("{reason}", { reason: error.message });
      this.#failed = true;
    }
  }
}
