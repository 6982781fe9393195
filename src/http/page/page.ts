import { SLOT_COUNT } from "../../cluster/node.ts";
import {
  daysUntil,
  formatBytes,
  formatCount,
  formatDuration,
  formatNumber,
  formatTime,
} from "./format.ts";
import type { UsedCertificate } from "../../tls/files_watcher.ts";
import { type Content, type Markup, markup } from "./markup.ts";
import { type History, mark, nodeTable, rates, time } from "./node_table.ts";
import type { PageSetting, PageStatus, PageWarning, Usage } from "./page_status.ts";
import { countSlots, type Problem, problemsOf } from "./problems.ts";

/**
 * Renders the status page. It needs only its style and its script, `assets.ts`, and is complete
 * without the script, which replaces the content of `#page` by a newer one.
 */
export function renderPage(status: PageStatus, history: History): string {
  const problems = problemsOf(status);
  const { name, version, nowMs, nodes, warnings, certificates, settings } = status;
  const verdict = verdictOf(status, problems);
  const severity = problems[0]?.severity ?? "ok";
  const titles = problems.map(({ title }) => `${title}. `);
  const nodeRows = nodes.length === 0
    ? markup`<p class="quiet">No node is known yet.</p>`
    : nodeTable(status, history);
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${verdict} – ${name}</title>
<link rel="icon" href="${iconOf(severity)}">
<link rel="stylesheet" href="page.css">
<script src="page.js" defer></script>
</head>
<body>
<a class="skip" href="#nodes">Skip to the nodes</a>
<div class="bar">
<span>redis-cluster-nat <span class="quiet">${version}</span></span>
<span id="live"><noscript><span class="quiet">Reload for newer figures</span></noscript></span>
</div>
<p id="silence" role="status"></p>
<div id="page">
<header>
<h1>${name}</h1>
<p class="verdict ${severity}" role="status">${mark(severity)}${verdict}${
    titles.length > 0 && markup`<span class="unseen">: ${titles}</span>`
  }</p>
</header>
<main>${problems.length > 0 && problemSection(problems)}
${overview(status)}
<section id="nodes" aria-labelledby="nodes-title" tabindex="-1">
<h2 id="nodes-title">Nodes</h2>${nodeRows}
</section>
${warnings.length > 0 && warningSection(warnings, nowMs)}
${certificates.length > 0 && certificateSection(certificates, nowMs)}
${settings.length > 0 && settingSection(settings)}
</main>
<footer>
<p>As of ${time(nowMs, formatTime(nowMs))}</p>
<nav aria-label="For programs">${
    ["nodes", "metrics", "healthz", "readyz"].map((path) => markup`<a href="${path}">${path}</a> `)
  }</nav>
</footer>
</div>
</body>
</html>
`.toString();
}

/** The state of everything in a few words. */
function verdictOf({ phase, nodes }: PageStatus, problems: readonly Problem[]): string {
  if (problems.length > 0) return formatNumber(problems.length, "problem");
  if (phase !== "serving" || nodes.length === 0) return "No node is known yet";
  return nodes.length === 1 ? "The node is up" : `All ${formatCount(nodes.length)} nodes are up`;
}

const ICON_COLORS = { ok: "#2c7548", warning: "#b87a0a", error: "#b0241c" };

/** The icon in the tab of a browser: a filled circle, with an exclamation mark for a problem. */
function iconOf(severity: keyof typeof ICON_COLORS): string {
  const sign = severity === "ok"
    ? ""
    : '<path d="M6.7 3h2.600l-.4 6H7.100zM7 10.500h2v2H7z" fill="#fff"/>';
  const icon = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">' +
    `<circle cx="8" cy="8" r="7.500" fill="${ICON_COLORS[severity]}"/>${sign}</svg>`;
  return `data:image/svg+xml,${encodeURIComponent(icon)}`;
}

function problemSection(problems: readonly Problem[]): Markup {
  return markup`
<section id="problems" aria-labelledby="problems-title">
<h2 id="problems-title" class="unseen">Problems</h2>
<ul>${
    problems.map(({ severity, title, detail }) =>
      markup`
<li class="${severity}"><strong class="line">${title}</strong> ${detail}</li>`
    )
  }
</ul>
</section>`;
}

function overview(status: PageStatus): Markup {
  const { nodes, nowMs, startedAtMs, clients, captured, uncovered, discovery } = status;
  const { answeredAtMs } = discovery;
  const up = nodes.filter(({ state }) => state.status === "up").length;
  const covered = uncovered && SLOT_COUNT - countSlots(uncovered);
  const figures: readonly [title: string, value: Content][] = [
    ["Nodes up", usage({ used: up, limit: nodes.length }, formatCount)],
    ["Slots covered", covered && usage({ used: covered, limit: SLOT_COUNT }, formatCount)],
    ["Clients", usage(clients, formatCount)],
    ["Traffic", totalTraffic(status)],
    ["Captured replies", usage(captured, formatBytes)],
    ["Cluster answered", answeredAtMs && `${formatDuration(nowMs - answeredAtMs)} ago`],
    ["Proxy up", formatDuration(nowMs - startedAtMs)],
  ];
  return markup`
<dl class="figures">${
    figures.map(([title, value = markup`<span class="quiet">unknown</span>`]) =>
      markup`
<div><dt>${title}</dt><dd>${value}</dd></div>`
    )
  }
</dl>`;
}

function usage({ used, limit }: Usage, format: (value: number) => string): Content {
  const of = limit < Infinity && markup` <span class="quiet">of ${format(limit)}</span>`;
  return [format(used), of];
}

function totalTraffic({ nodes }: PageStatus): Content {
  const measured = nodes.flatMap(({ traffic }) => traffic ?? []);
  if (measured.length === 0) return undefined;
  return rates({
    fromClients: measured.reduce((sum, { fromClients }) => sum + fromClients, 0),
    toClients: measured.reduce((sum, { toClients }) => sum + toClients, 0),
  });
}

function warningSection(warnings: readonly PageWarning[], nowMs: number): Markup {
  return markup`
<section aria-labelledby="log-title">
<h2 id="log-title">Latest warnings of the log</h2>
<ol class="list log">${
    warnings.map(({ message, count, lastAtMs }) => {
      const times = count > 1 && markup` <span class="quiet">${formatCount(count)} times</span>`;
      return markup`
<li>${
        time(lastAtMs, `${formatDuration(nowMs - lastAtMs)} ago`)
      } <span>${message}${times}</span></li>`;
    })
  }
</ol>
</section>`;
}

function certificateSection(certificates: readonly UsedCertificate[], nowMs: number): Markup {
  return markup`
<section aria-labelledby="certificates-title">
<h2 id="certificates-title">Certificates</h2>
<ul class="list">${
    certificates.map(({ name, file: { source, path }, validUntilMs }) => {
      const days = formatNumber(daysUntil(validUntilMs, nowMs), "day");
      const [left, end] = nowMs < validUntilMs ? [`${days} left`, "until "] : ["expired", ""];
      return markup`
<li><span><strong>${name}</strong> <code class="quiet">${source} ${path}</code></span>
<span>${left} ${time(validUntilMs, `${end}${formatTime(validUntilMs)}`)}</span></li>`;
    })
  }
</ul>
</section>`;
}

function settingSection(settings: readonly PageSetting[]): Markup {
  return markup`
<details id="settings">
<summary><h2>Settings</h2></summary>
<dl class="settings">${
    settings.map(({ flag, value, isDefault }) => {
      const origin = isDefault && markup` <span class="quiet">default</span>`;
      return markup`
<div><dt><code>${flag}</code></dt><dd><code>${value}</code>${origin}</dd></div>`;
    })
  }
</dl>
</details>`;
}
