/** The media type of the text format of Prometheus. */
export const EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** What distinguishes a sample from the others of its metric. */
export type Labels = Readonly<Record<string, string | number>>;

/** One value of a metric. */
export type Sample = readonly [value: number, labels?: Labels];

/** The name and the meaning of a metric. */
export interface MetricName {
  readonly name: string;
  /** One sentence, with the unit if the name has none. */
  readonly help: string;
}

/** A histogram; the last bucket has no upper bound. */
export interface Histogram {
  /** The upper bounds of the buckets but the last. */
  readonly bounds: readonly number[];
  /** How many values are in each bucket, and in none before it. */
  readonly counts: readonly number[];
  readonly sum: number;
}

/** Writes metrics in the text format of Prometheus, version 0.0.4. */
export class Exposition {
  #text = "";

  /** The metrics so far. */
  get text(): string {
    return this.#text;
  }

  /** Adds a number that only grows. */
  counter(metric: MetricName, samples: readonly Sample[]): void {
    this.#add(metric, "counter", samples.map(([value, labels]) => ["", value, labels]));
  }

  /** Adds a number that may fall. */
  gauge(metric: MetricName, samples: readonly Sample[]): void {
    this.#add(metric, "gauge", samples.map(([value, labels]) => ["", value, labels]));
  }

  /** Adds a histogram. */
  histogram(metric: MetricName, { bounds, counts, sum }: Histogram): void {
    let count = 0;
    const buckets = counts.map((more, at): SuffixedSample => {
      count += more;
      return ["_bucket", count, { le: formatValue(bounds[at] ?? Infinity) }];
    });
    this.#add(metric, "histogram", [...buckets, ["_sum", sum], ["_count", count]]);
  }

  #add({ name, help }: MetricName, type: string, samples: readonly SuffixedSample[]): void {
    if (samples.length === 0) return;
    const lines = samples.map(([suffix, value, labels = {}]) =>
      `${name}${suffix}${formatLabels(labels)} ${formatValue(value)}\n`
    );
    this.#text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
  }
}

type SuffixedSample = readonly [suffix: string, value: number, labels?: Labels | undefined];

function formatLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escape(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escape(value: string | number): string {
  return String(value).replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function formatValue(value: number): string {
  return value === Infinity ? "+Inf" : value === -Infinity ? "-Inf" : String(value);
}
