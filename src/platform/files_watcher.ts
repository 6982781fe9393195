import { log } from "./log.ts";
import { OperatorError } from "./operator_error.ts";

/** A file that an option names. */
export interface OptionFile {
  readonly path: string;
  /** How messages name the option, such as the flag with its dashes, or the variable. */
  readonly source: string;
}

/** A file cannot be read or used. The message names its option and says what to change. */
export class OptionFileError extends OperatorError {
  override readonly name: string = "OptionFileError";
}

/** The texts of files, by file. */
export type FileTexts = ReadonlyMap<OptionFile, string>;

/** Files that belong together, and how to read them. */
export interface WatchedFiles<T> {
  readonly files: readonly OptionFile[];
  /**
   * Checks the texts of the files, and returns what they mean.
   *
   * @param isSettled whether they are the same as at the last read; otherwise a program may be
   * writing them
   * @throws {OptionFileError} for the first that cannot be used
   */
  parse(texts: FileTexts, isSettled: boolean): T;
}

/** How often files are read, and what the log says of them. */
export interface FilesWatcherOptions {
  readonly intervalMs: number;
  /** Logged when changed files are used; `{options}` stands for their options. */
  readonly used: string;
  /** What stays in use if they cannot be used, to complete a sentence. */
  readonly kept: string;
}

/** The text of each file, or why it cannot be read. */
type Contents = ReadonlyMap<OptionFile, string | OptionFileError>;

/** Contents that cannot be used. */
interface Refused {
  readonly contents: Contents;
  readonly error: Error;
  /** Whether they were the same at two reads. */
  readonly isSettled: boolean;
  isReported: boolean;
}

/**
 * Keeps what files mean current: it reads them again and again. Reading is simpler than watching
 * for events, and also notices the symbolic links that Kubernetes exchanges above a file. Files that
 * cannot be used are reported, and what was read before stays in use.
 */
export class FilesWatcher<T> {
  readonly #files: WatchedFiles<T>;
  readonly #options: FilesWatcherOptions;
  /** The contents in use; undefined if none could be used yet. */
  #contents: Contents | undefined;
  #value: T;
  #refused: Refused | undefined;
  #onChange: (value: T) => void = () => {};
  #onChecked: () => void = () => {};
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Settles when the last check has ended; one waits for the other. */
  #checks: Promise<void> = Promise.resolve();
  /** The read that `readNow` has queued, until it begins. */
  #nextRead: Promise<void> | undefined;
  #isStopped = false;

  private constructor(files: WatchedFiles<T>, options: FilesWatcherOptions, value: T) {
    this.#files = files;
    this.#options = options;
    this.#value = value;
  }

  /**
   * Reads the files for the first time.
   *
   * @throws {OptionFileError} if one cannot be used
   */
  static async open<T>(
    files: WatchedFiles<T>,
    options: FilesWatcherOptions,
  ): Promise<FilesWatcher<T>> {
    const contents = await read(files.files);
    const watcher = new FilesWatcher(files, options, files.parse(textsOf(contents), false));
    watcher.#contents = contents;
    return watcher;
  }

  /**
   * Reads the files for the first time. The caller reports the `obstacle`, if there is one.
   *
   * @param missing what stands for them until they can be used
   */
  static async openMissing<T>(
    files: WatchedFiles<T>,
    options: FilesWatcherOptions,
    missing: T,
  ): Promise<FilesWatcher<T>> {
    const watcher = new FilesWatcher(files, options, missing);
    const contents = await read(files.files);
    const error = watcher.#tryToUse(contents, false);
    if (error !== undefined) {
      watcher.#refused = { contents, error, isSettled: false, isReported: true };
    }
    return watcher;
  }

  /** Whether there is a file to read. */
  get hasFiles(): boolean {
    return this.#files.files.length > 0;
  }

  /** What the files meant when they could last be used. */
  get value(): T {
    return this.#value;
  }

  /** Why the files could never be used; undefined if they could. */
  get obstacle(): Error | undefined {
    return this.#contents === undefined ? this.#refused?.error : undefined;
  }

  /**
   * Reads the files at intervals from now on, until `stop`.
   *
   * @param onChange gets what changed files mean; if it throws, they are refused
   */
  start(onChange: (value: T) => void): void {
    this.#onChange = onChange;
    this.#timer = setInterval(() => this.poll(), this.#options.intervalMs);
  }

  /** Sets what is called after each read. */
  afterReads(onChecked: () => void): void {
    this.#onChecked = onChecked;
  }

  /** Reads the files as it does at each interval; resolves when that is done. */
  poll(): Promise<void> {
    return this.#check(false);
  }

  /**
   * Reads the files for someone who waits for them, and uses them if it can; resolves when that is
   * done. The next read at an interval decides about files that cannot be used.
   */
  readNow(): Promise<void> {
    this.#nextRead ??= this.#checks = this.#checks.then(async () => {
      this.#nextRead = undefined;
      const contents = await read(this.#files.files);
      const isKnown = this.#contents !== undefined && isSame(contents, this.#contents);
      if (!this.#isStopped && !isKnown) this.#tryToUse(contents, false);
    });
    return this.#nextRead;
  }

  /** Reads the files, and logs the result in any case; resolves when that is done. */
  reload(): Promise<void> {
    return this.#check(true);
  }

  /** Resolves when nothing more is read; `onChange` is not called any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#timer);
    await this.#checks;
  }

  #check(isRequested: boolean): Promise<void> {
    this.#checks = this.#checks.then(async () => {
      const contents = await read(this.#files.files);
      if (this.#isStopped) return;
      if (this.#contents !== undefined && isSame(contents, this.#contents)) {
        this.#refused = undefined;
        if (isRequested) {
          log.info("The files of {options} have not changed", { options: this.#sources(contents) });
        }
      } else if (this.#refused !== undefined && isSame(contents, this.#refused.contents)) {
        if (!this.#refused.isSettled) this.#use(contents, true);
        this.#report(isRequested);
      } else {
        this.#use(contents, false);
        // Until the next check a file may be half written, or the key not yet replaced.
        if (isRequested) this.#report(isRequested);
      }
      this.#onChecked();
    });
    return this.#checks;
  }

  /** Uses new contents, or refuses them. */
  #use(contents: Contents, isSettled: boolean): void {
    const error = this.#tryToUse(contents, isSettled);
    if (error !== undefined) this.#refuse(contents, error, isSettled);
  }

  /** Uses new contents, or returns why they cannot be used. */
  #tryToUse(contents: Contents, isSettled: boolean): Error | undefined {
    try {
      const value = this.#files.parse(textsOf(contents), isSettled);
      this.#onChange(value);
      log.info(this.#options.used, { options: this.#sources(contents) });
      this.#contents = contents;
      this.#refused = undefined;
      this.#value = value;
      return undefined;
    } catch (error) {
      // Whatever is wrong, the files are read again.
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  #refuse(contents: Contents, error: Error, isSettled: boolean): void {
    // Settled contents are those that were refused before.
    const isReported = isSettled && this.#refused?.isReported === true;
    this.#refused = { contents, error, isSettled, isReported };
  }

  /** Logs why the files are refused: once, unless that was requested. */
  #report(isRequested: boolean): void {
    if (this.#refused === undefined || (this.#refused.isReported && !isRequested)) return;
    this.#refused.isReported = true;
    const { message: reason } = this.#refused.error;
    if (this.#contents === undefined) log.warning("{reason}", { reason });
    else log.warning(`{reason}; ${this.#options.kept}`, { reason });
  }

  /** The options of the files whose contents differ from those in use; of all, if none does. */
  #sources(contents: Contents): string {
    const { files } = this.#files;
    const changed = files.filter((file) => contents.get(file) !== this.#contents?.get(file));
    const sources = (changed.length > 0 ? changed : files).map(({ source }) => source);
    // One option may name several files.
    return [...new Set(sources)].join(", ");
  }
}

async function read(files: readonly OptionFile[]): Promise<Contents> {
  return new Map(
    await Promise.all(files.map(async (file) => [file, await readText(file)] as const)),
  );
}

async function readText({ path, source }: OptionFile): Promise<string | OptionFileError> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return new OptionFileError(
      `Cannot read the file of ${source}: ${reason}; check the path and its permissions`,
      { cause: error },
    );
  }
}

/** @throws {OptionFileError} for the first file that cannot be read */
function textsOf(contents: Contents): FileTexts {
  return new Map(
    contents.entries().map(([file, text]) => {
      if (text instanceof OptionFileError) throw text;
      return [file, text];
    }),
  );
}

function isSame(one: Contents, other: Contents): boolean {
  return one.entries().every(([file, text]) => keyOf(text) === keyOf(other.get(file)));
}

function keyOf(text: string | OptionFileError | undefined): string | undefined {
  return text instanceof OptionFileError ? text.message : text;
}
