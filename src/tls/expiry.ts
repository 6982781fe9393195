import { type FiledCertificate, nameOf } from "./tls_files.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The time left at which a certificate is warned of. */
const STAGES_MS = [14 * DAY_MS, DAY_MS, 0];

/** Warns of certificates that expire or are not valid yet, once for each stage. */
export class ExpiryWatch {
  /** The certificates that were warned of, each with the file it is in and the stage. */
  readonly #warned = new Set<string>();

  /** The warnings about these certificates that are new at this time. */
  check(certificates: readonly FiledCertificate[], nowMs: number): string[] {
    return certificates.flatMap(({ file: { source, path }, certificate }) => {
      const { fingerprint256, validFromDate, validToDate } = certificate.x509;
      const leftMs = validToDate.getTime() - nowMs;
      const isEarly = validFromDate.getTime() > nowMs;
      const stage = isEarly ? "early" : STAGES_MS.findLast((limitMs) => leftMs <= limitMs);
      const id = `${source} ${fingerprint256} ${stage}`;
      if (stage === undefined || this.#warned.has(id)) return [];
      this.#warned.add(id);
      const subject = `The certificate '${nameOf(certificate)}' in ${source} '${path}'`;
      const [start, end] = [formatTime(validFromDate), formatTime(validToDate)];
      if (isEarly) {
        return `${subject} is not valid before ${start}; check the clock of this machine`;
      }
      if (leftMs <= 0) return `${subject} has expired at ${end}; renew it`;
      return `${subject} expires in ${formatDuration(leftMs)}, at ${end}; renew it`;
    });
  }
}

function formatTime(date: Date): string {
  return date.toISOString().replace(".000Z", "Z");
}

function formatDuration(ms: number): string {
  if (ms > 2 * DAY_MS) return `${Math.round(ms / DAY_MS)} days`;
  const hours = Math.ceil(ms / HOUR_MS);
  return hours === 1 ? "an hour" : `${hours} hours`;
}
