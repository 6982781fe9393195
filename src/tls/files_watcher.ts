import { FilesWatcher, type OptionFile } from "../platform/files_watcher.ts";
import { log } from "../platform/log.ts";
import { ExpiryWatch } from "./expiry.ts";
import { nameOf, type Reading, type TlsFiles } from "./tls_files.ts";

/** A certificate in use. */
export interface UsedCertificate {
  /** Its subject, or its alternative names. */
  readonly name: string;
  readonly file: OptionFile;
  /** When it becomes valid and expires, in milliseconds since 1970. */
  readonly validFromMs: number;
  readonly validUntilMs: number;
}

/** How often the files are read, and what the log says of them. */
const OPTIONS = {
  intervalMs: 2000,
  used: "New connections use the changed files of {options}",
  kept: "the previous certificates stay in use",
};

/**
 * Keeps the material of one side current, see `FilesWatcher`. It also warns of certificates that
 * expire.
 *
 *     const watcher = await TlsFilesWatcher.open(serverFiles(options));
 *     const server = new TlsServer(watcher.material);
 *     watcher.start((material) => server.update(material));
 */
export class TlsFilesWatcher<Material> {
  readonly #watcher: FilesWatcher<Reading<Material>>;
  readonly #expiry = new ExpiryWatch();
  /** The reading whose warnings were logged. */
  #warned: Reading<Material> | undefined;

  private constructor(watcher: FilesWatcher<Reading<Material>>) {
    this.#watcher = watcher;
    watcher.afterReads(() => this.#warn());
    this.#warn();
  }

  /**
   * Reads the files for the first time, and logs warnings about them.
   *
   * @throws {OptionFileError} if one cannot be used
   */
  static async open<Material>(files: TlsFiles<Material>): Promise<TlsFilesWatcher<Material>> {
    return new TlsFilesWatcher(await FilesWatcher.open(files, OPTIONS));
  }

  /** Whether there is a file to read. */
  get hasFiles(): boolean {
    return this.#watcher.hasFiles;
  }

  /** What the files meant when they could last be used. */
  get material(): Material {
    return this.#watcher.value.material;
  }

  /** The certificates in the files when they could last be used. */
  get certificates(): UsedCertificate[] {
    return this.#watcher.value.certificates.map(({ file, certificate }) => ({
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
    this.#watcher.start(({ material }) => onChange(material));
  }

  /** Reads the files as it does at each interval; resolves when that is done. */
  poll(): Promise<void> {
    return this.#watcher.poll();
  }

  /** Reads the files, and logs the result in any case; resolves when that is done. */
  reload(): Promise<void> {
    return this.#watcher.reload();
  }

  /** Resolves when nothing more is read; `onChange` is not called any more. */
  stop(): Promise<void> {
    return this.#watcher.stop();
  }

  /** Logs the warnings of a new reading, and those of certificates that expire. */
  #warn(): void {
    const reading = this.#watcher.value;
    const warnings = reading === this.#warned ? [] : reading.warnings;
    this.#warned = reading;
    const expiring = this.#expiry.check(reading.certificates, Date.now());
    for (const warning of [...warnings, ...expiring]) log.warning("{warning}", { warning });
  }
}
