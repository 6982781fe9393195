import type { Fault, Outcome } from "./compared.ts";

/** The figures of a run. */
export class Report {
  pipelines = 0;
  compared = 0;
  /** Faults by their kind. */
  readonly faults = new Map<Fault["kind"], number>();
  /** Why connections were closed. */
  readonly closings = new Map<string, number>();
  /** Rounds whose answers differed once, and were equal when they were played again. */
  passing = 0;
  /** Rounds in which the error of an AUTH came straight alone, or through the proxy alone. */
  lostErrors = 0;
  /** Connections that the node closed, as it does without a proxy. */
  closedByNode = 0;
  /** Those that it closed straight alone, or through the proxy alone, for a reason of its own. */
  closedAlone = 0;

  /** Counts a round that is over. */
  add(pipelines: number, { compared, fault, lostError, closedByNode, closedAlone }: Outcome): void {
    this.pipelines += pipelines;
    this.compared += compared;
    if (lostError) this.lostErrors++;
    if (closedByNode) this.closedByNode++;
    if (closedAlone) this.closedAlone++;
    if (fault === undefined) return;
    count(this.faults, fault.kind);
    if (fault.kind === "closed") count(this.closings, fault.what);
  }

  /** Whether all was as it should be. */
  get isClean(): boolean {
    return this.faults.size === 0;
  }

  toString(): string {
    const kinds = (["leak", "differs", "closed", "hangs"] as const)
      .map((kind) => `${kind} ${this.faults.get(kind) ?? 0}`).join(", ");
    const closings = [...this.closings].sort(([, one], [, other]) => other - one)
      .map(([reason, times]) => `\n  ${times} closed: ${reason}`).join("");
    return `${this.pipelines} pipelines, ${this.compared} values compared; ${kinds}; ` +
      `${this.passing} differed only once, ${this.lostErrors} in an error that the server lost; ` +
      `${this.closedByNode} closed by the node, ` +
      `and one alone of ${this.closedAlone} pairs` +
      closings;
  }
}

function count<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
