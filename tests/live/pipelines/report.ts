import type { Fault, Outcome } from "./compared.ts";

/** How often progress is printed. */
const PROGRESS_MS = 10_000;

/** How a run is reported. */
export interface ReportOptions {
  /** How many faults are kept, 20 by default. */
  readonly shown?: number;
  /** Prints progress and faults when they come. */
  readonly print?: (text: string) => void;
}

/** The figures and faults of a run. */
export class Report {
  pipelines = 0;
  compared = 0;
  /** The first faults, each with the pipeline that shows it. */
  readonly faults: string[] = [];
  readonly #counts = new Map<string, number>();
  readonly #shown: number;
  readonly #print: (text: string) => void;
  /** Whether no fault was found, kept or not. */
  isClean = true;
  #printedAtMs = performance.now();

  constructor({ shown = 20, print = () => {} }: ReportOptions = {}) {
    this.#shown = shown;
    this.#print = print;
  }

  /** Whether another fault would be kept. */
  get wantsFaults(): boolean {
    return this.faults.length < this.#shown;
  }

  /** Adds the outcome of a round. */
  add(pipelines: number, { compared, fault, note }: Outcome): void {
    this.pipelines += pipelines;
    this.compared += compared;
    if (note !== undefined) this.count(note);
    if (fault !== undefined) {
      this.isClean = false;
      this.count(`${fault.kind}: ${fault.description}`);
    }
    if (performance.now() - this.#printedAtMs < PROGRESS_MS) return;
    this.#printedAtMs = performance.now();
    this.#print(`${this}`);
  }

  count(event: string): void {
    this.#counts.set(event, (this.#counts.get(event) ?? 0) + 1);
  }

  /** Keeps a fault and its pipeline, if it is one of the first. */
  show(pipeline: string, { kind, description, direct, proxied }: Fault): void {
    if (!this.wantsFaults) return;
    const [one, other] = [direct, proxied].map((answer) => JSON.stringify(answer));
    this.faults.push(
      `${pipeline}\n${kind}: ${description}\n  direct:  ${one}\n  proxied: ${other}`,
    );
    this.#print(`\n${this.faults.at(-1)}\n`);
  }

  toString(): string {
    const counts = [...this.#counts].sort(([, one], [, other]) => other - one)
      .map(([event, times]) => `\n  ${times} ${event}`).join("");
    return `${this.pipelines} pipelines, ${this.compared} values compared${counts}`;
  }
}
