import { log } from "../platform/log.ts";
import { ExpiryWatch } from "./expiry.ts";
import { nameOf, type OptionFile, type Reading, TlsFileError, type TlsFiles } from "./tls_files.ts";

/**
 * How often the files are read. Reading them is simpler than watching for events, and also notices
 * the symbolic links that Kubernetes exchanges above a file.
 */
const POLL_INTERVAL_MS = 2000;

/** The text of each file, or why it cannot be read. */
type Contents = ReadonlyMap<OptionFile, string | TlsFileError>;

/** A certificate in use. */
export interface UsedCertificate {
  /** Its subject, or its alternative names. */
  readonly name: string;
  readonly file: OptionFile;
  /** When it becomes valid and expires, in milliseconds since 1970. */
  readonly validFromMs: number;
  readonly validUntilMs: number;
}

/** Contents that cannot be used. */
interface Refused {
  readonly contents: Contents;
  readonly reason: string;
  isReported: boolean;
}

/**
 * Keeps the material of one side current: it reads the files again and again. Files that cannot be
 * used are reported, and the material stays. It also warns of certificates that expire.
 *
 *     const watcher = await TlsFilesWatcher.open(serverFiles(options));
 *     const server = new TlsServer(watcher.material);
 *     watcher.start((material) => server.update(material));
 */
export class TlsFilesWatcher<Material> {
  readonly #files: TlsFiles<Material>;
  readonly #expiry = new ExpiryWatch();
  #contents: Contents;
  #reading: Reading<Material>;
  #refused: Refused | undefined;
  #onChange: (material: Material) => void = () => {};
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Settles when the last check has ended; one waits for the other. */
  #checks: Promise<void> = Promise.resolve();
  #isStopped = false;

  private constructor(files: TlsFiles<Material>, contents: Contents, reading: Reading<Material>) {
    this.#files = files;
    this.#contents = contents;
    this.#reading = reading;
    warn(reading.warnings);
    this.#warnOfExpiry();
  }

  /**
   * Reads the files for the first time, and logs warnings about them.
   *
   * @throws {TlsFileError} if one cannot be used
   */
  static async open<Material>(files: TlsFiles<Material>): Promise<TlsFilesWatcher<Material>> {
    const contents = await read(files.files);
    return new TlsFilesWatcher(files, contents, files.parse(textsOf(contents)));
  }

  /** Whether there is a file to read. */
  get hasFiles(): boolean {
    return this.#files.files.length > 0;
  }

  /** What the files meant when they could last be used. */
  get material(): Material {
    return this.#reading.material;
  }

  /** The certificates in the files when they could last be used. */
  get certificates(): UsedCertificate[] {
    return this.#reading.certificates.map(({ file, certificate }) => ({
      name: nameOf(certificate),
      file,
      validFromMs: certificate.x509.validFromDate.getTime(),
      validUntilMs: certificate.x509.validToDate.getTime(),
    }));
  }

  /**
   * Reads the files every other second from now on, until `stop`.
   *
   * @param onChange gets new material; if it throws a SyntaxError, the material is refused
   */
  start(onChange: (material: Material) => void): void {
    this.#onChange = onChange;
    this.#timer = setInterval(() => this.poll(), POLL_INTERVAL_MS);
  }

  /** Reads the files as it does at each interval; resolves when that is done. */
  poll(): Promise<void> {
    return this.#check(false);
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
      if (isSame(contents, this.#contents)) {
        this.#refused = undefined;
        if (isRequested) {
          log.info("The files of {options} have not changed", { options: this.#options(contents) });
        }
      } else if (this.#refused !== undefined && isSame(contents, this.#refused.contents)) {
        this.#report(isRequested);
      } else {
        this.#use(contents);
        // Until the next check a file may be half written, or the key not yet replaced.
        if (isRequested) this.#report(isRequested);
      }
      this.#warnOfExpiry();
    });
    return this.#checks;
  }

  /** Uses new contents, or refuses them. */
  #use(contents: Contents): void {
    try {
      const reading = this.#files.parse(textsOf(contents));
      this.#onChange(reading.material);
      log.info("New connections use the changed files of {options}", {
        options: this.#options(contents),
      });
      this.#contents = contents;
      this.#refused = undefined;
      this.#reading = reading;
      warn(reading.warnings);
    } catch (error) {
      // Whatever is wrong, the files are read again.
      const reason = error instanceof Error ? error.message : String(error);
      this.#refused = { contents, reason, isReported: false };
    }
  }

  /** Logs why the files are refused: once, unless that was requested. */
  #report(isRequested: boolean): void {
    if (this.#refused === undefined || (this.#refused.isReported && !isRequested)) return;
    this.#refused.isReported = true;
    const { reason } = this.#refused;
    log.warning("{reason}; the previous certificates stay in use", { reason });
  }

  #warnOfExpiry(): void {
    warn(this.#expiry.check(this.#reading.certificates, Date.now()));
  }

  /** The options of the files whose contents differ from those in use; of all, if none does. */
  #options(contents: Contents): string {
    const { files } = this.#files;
    const changed = files.filter((file) => contents.get(file) !== this.#contents.get(file));
    return (changed.length > 0 ? changed : files).map(({ source }) => source).join(", ");
  }
}

async function read(files: readonly OptionFile[]): Promise<Contents> {
  return new Map(
    await Promise.all(files.map(async (file) => [file, await readText(file)] as const)),
  );
}

async function readText({ path, source }: OptionFile): Promise<string | TlsFileError> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return new TlsFileError(
      `Cannot read the file of ${source}: ${reason}; check the path and its permissions`,
      { cause: error },
    );
  }
}

/** @throws {TlsFileError} for the first file that cannot be read */
function textsOf(contents: Contents): ReadonlyMap<OptionFile, string> {
  return new Map(
    contents.entries().map(([file, text]) => {
      if (text instanceof TlsFileError) throw text;
      return [file, text];
    }),
  );
}

function isSame(one: Contents, other: Contents): boolean {
  return one.entries().every(([file, text]) => keyOf(text) === keyOf(other.get(file)));
}

function keyOf(text: string | TlsFileError | undefined): string | undefined {
  return text instanceof TlsFileError ? text.message : text;
}

function warn(warnings: readonly string[]): void {
  for (const warning of warnings) log.warning("{warning}", { warning });
}
