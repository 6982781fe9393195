import {
  formatBytes,
  formatCount,
  formatDuration,
  formatLatency,
  formatNumber,
  formatTime,
} from "./format.ts";
import { slotBar, sparkline } from "./graphics.ts";
import { type Content, type Markup, markup } from "./markup.ts";
import type { PageNode, PageNodeState, PageStatus, PageTraffic } from "./page_status.ts";
import { countSlots, formatSlots } from "./problems.ts";

/** The history that the sparklines show. */
export interface History {
  /** The number of samples that fill a sparkline. */
  readonly length: number;
  /** The time between two samples. */
  readonly intervalMs: number;
}

/** The columns after the public address. A narrow page repeats the names in each row. */
const COLUMNS = {
  node: "Node",
  role: "Role",
  slots: "Slots",
  state: "State",
  clients: "Clients",
  traffic: "Traffic",
  connect: "Connect",
} as const;

/** What all rows have in common. */
interface Common {
  readonly nowMs: number;
  /** The rate at the top of all sparklines, in bytes per second. */
  readonly most: number;
  readonly history: History;
}

/**
 * The table of nodes, a row for each. Roles are spelled out, because a style that makes cards of
 * the rows takes the meaning of tables away in some browsers.
 */
export function nodeTable({ nodes, nowMs }: PageStatus, history: History): Markup {
  const most = Math.max(0, ...nodes.flatMap(({ traffic }) => traffic?.history ?? []));
  const headings = Object.entries(COLUMNS).map(([name, title]) =>
    markup`<th role="columnheader" scope="col" class="${name}">${title}</th>`
  );
  const covered = formatDuration(history.length * history.intervalMs);
  return markup`
<table role="table" class="cards" aria-labelledby="nodes-title" aria-describedby="nodes-note">
<thead role="rowgroup">
<tr role="row"><th role="columnheader" scope="col">Public address</th>${headings}</tr>
</thead>
<tbody role="rowgroup">${nodes.map((node) => row(node, { nowMs, most, history }))}
</tbody>
</table>
<p class="note" id="nodes-note">Traffic: the last ${covered}; equal heights are equal rates.
Connect: how long the node took to accept connections lately.</p>`;
}

function row(node: PageNode, { nowMs, most, history }: Common): Markup {
  const { port, state, clients, connectMs } = node;
  return markup`
<tr role="row" id="port-${port}" class="${state.status}">
<th role="rowheader" scope="row">${mark(state.status)}<span>${publicAddresses(node)}</span></th>
${cell("node", identity(node))}
${cell("role", role(node))}
${cell("slots", slots(node))}
${cell("state", stateSince(state, nowMs))}
${cell("clients", formatCount(clients))}
${cell("traffic", traffic(node, most, history))}
${cell("connect", connectMs === undefined ? dash("not measured") : formatLatency(connectMs))}
</tr>`;
}

function cell(column: keyof typeof COLUMNS, content: Content): Markup {
  const label = COLUMNS[column];
  return markup`<td role="cell" class="${column}" data-label="${label}"><div>${content}</div></td>`;
}

/** A shape for a state, beside the word for it. */
export function mark(state: string): Markup {
  return markup`<span class="mark ${state}" aria-hidden="true"></span>`;
}

/** Stands for nothing; `meaning` is read aloud instead. */
function dash(meaning: string): Markup {
  return markup`<span class="quiet" aria-hidden="true">–</span><span class="unseen">${meaning}</span>`;
}

function publicAddresses({ addresses }: PageNode): Content {
  return addresses.map(({ view, address }) => {
    const name = view !== undefined && markup` <span class="quiet">${view}</span>`;
    return markup`<span class="line">${breakable(address)}${name}</span>`;
  });
}

/** An address, which may go on in the next line after a part of the name, or before the port. */
function breakable(address: string): Markup {
  const parts = address.split(/(?<=\.)(?=[a-z])|(?=:\d+$)/i);
  return markup`<code>${
    parts.map((part, index) => index === 0 ? part : markup`<wbr>${part}`)
  }</code>`;
}

function identity({ id, privateAddress, hostname }: PageNode): Content {
  const name = hostname !== undefined &&
    markup`<span class="line quiet">${breakable(hostname)}</span>`;
  return markup`<span class="line">${breakable(privateAddress)}</span>${name}${
    id === ""
      ? markup`<span class="quiet">id not known yet</span>`
      : markup`<code class="id" title="${id}">${id}</code>`
  }`;
}

function role({ role, primary }: PageNode): Content {
  if (role === "primary" || primary === undefined) return role;
  return markup`replica of <a href="#port-${primary.port}">${primary.name}</a>`;
}

function slots({ slots }: PageNode): Content {
  if (slots.length === 0) return dash("no slots");
  const count = formatNumber(countSlots(slots), "slot");
  return markup`<span class="line">${formatSlots(slots)}</span><span class="share">${
    slotBar(slots)
  }<span class="quiet">${count}</span></span>`;
}

const STATES: Readonly<Record<PageNodeState["status"], string>> = {
  up: "up",
  refusing: "refuses connections",
  failed: "failed",
};

function stateSince({ status, sinceMs }: PageNodeState, nowMs: number): Content {
  return markup`<span class="line word ${status}">${STATES[status]}</span> ${
    time(sinceMs, formatDuration(nowMs - sinceMs))
  }`;
}

/** A time as `text`, with the exact time as its title. */
export function time(ms: number, text: string): Markup {
  const exact = new Date(ms).toISOString();
  return markup`<time class="quiet" datetime="${exact}" title="${formatTime(ms)}">${text}</time>`;
}

function traffic({ traffic, name }: PageNode, most: number, { length }: History): Content {
  if (traffic === undefined) return dash("not measured yet");
  const peak = formatRate(Math.max(0, ...traffic.history));
  const label = `Traffic of port ${name}: at most ${peak}`;
  return [rates(traffic), sparkline(traffic.history, { most, length, label })];
}

/** Both directions, each with an arrow; the words are for those who do not see it. */
export function rates({ fromClients, toClients }: Omit<PageTraffic, "history">): Markup {
  return markup`<span class="rates">${rate("↑", "from clients", fromClients)} ${
    rate("↓", "to clients", toClients)
  }</span>`;
}

function rate(arrow: string, direction: string, bytesPerSecond: number): Markup {
  const figure = formatRate(bytesPerSecond);
  return markup`<span class="rate"><span class="quiet" aria-hidden="true">${arrow}</span><span class="unseen">${direction}</span> ${figure}</span>`;
}

function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}
