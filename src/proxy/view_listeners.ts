import type { PublicView, PublicViews } from "../nat/public_view.ts";
import { close, type Listener } from "../platform/net.ts";
import { type BindMode, type ChangedOptions, listenOn } from "./listener.ts";

/** A listener of a node, and the view that it belongs to. */
export interface ViewListener {
  readonly view: PublicView;
  readonly listener: Listener;
}

/**
 * Listens for a row of the NAT table in all views, or in none; port 0 takes a free one, if there is
 * one view. The listeners of the first view come first.
 *
 * @throws {ListenError} when a port cannot be opened; then nothing is left listening
 */
export function listenInAll(
  views: PublicViews,
  rowPort: number,
  bindMode?: BindMode,
): [ViewListener, ...ViewListener[]] {
  const opened: ViewListener[] = [];
  try {
    for (const view of views) {
      const address = { host: view.listen.host, port: view.listenPort(rowPort) };
      const listeners = listenOn(address, { bindMode, options: optionsOf(view, views) });
      opened.push(...listeners.map((listener) => ({ view, listener })));
    }
    return opened as [ViewListener, ...ViewListener[]];
  } catch (error) {
    for (const { listener } of opened) close(listener);
    throw error;
  }
}

/** The options to change if a view cannot be listened for. */
function optionsOf(view: PublicView, [first]: PublicViews): ChangedOptions {
  const host = view === first ? "--listen-addr" : "--view";
  return { port: `${host} or --port-map`, host };
}
