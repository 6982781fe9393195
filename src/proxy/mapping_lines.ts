import type { NatEntry } from "../nat/nat_table.ts";
import type { PublicView, PublicViews } from "../nat/public_view.ts";
import { byPort } from "../nat/table_rows.ts";
import { formatHostPort } from "../platform/address.ts";

/** The lines on stdout, one for each node in each view. */
export class MappingLines {
  readonly #views: PublicViews;
  /** The lines at the last call of `takeNew`. */
  #last: ReadonlySet<string> = new Set();

  constructor(views: PublicViews) {
    this.#views = views;
  }

  /** The lines for these nodes that were not among those of the last call. */
  takeNew(nodes: readonly NatEntry[]): string[] {
    const last = this.#last;
    const lines = mappingLines(this.#views, nodes);
    this.#last = new Set(lines);
    return lines.filter((line) => !last.has(line));
  }
}

/** The lines for some nodes, view by view, in the order of ports. */
export function mappingLines(views: PublicViews, nodes: readonly NatEntry[]): string[] {
  const sorted = byPort(nodes);
  return views.flatMap((view) =>
    sorted.map((node) =>
      mappingLine(view, node) + (views.length === 1 ? "" : ` view: ${view.name}`)
    )
  );
}

/** In the format of the original program; with the public port if that is another. */
function mappingLine(view: PublicView, { listenPort, address }: NatEntry): string {
  const port = view.listenPort(listenPort);
  const publicPort = view.publicPort(listenPort);
  return `Listening on: ${formatHostPort({ host: view.listen.host, port })} ` +
    `proxy to: ${formatHostPort(address)}` +
    (publicPort === port ? "" : ` public port: ${publicPort ?? "not known yet"}`);
}
