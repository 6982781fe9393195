/**
 * The style of the status page. Narrow pages show each row of a table as a card. Everything that
 * has a color also has a word or a shape.
 */
export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #fcfbf9;
  --ink: #1e1d1a;
  --quiet: #66635c;
  --rule: #e3e0d8;
  --accent: #2a6676;
  --ok: #2c7548;
  --warning: #855600;
  --warning-paper: #fbf2df;
  --error: #b0241c;
  --error-paper: #fceeec;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #151614;
    --ink: #e9e7e2;
    --quiet: #a29f97;
    --rule: #2f302d;
    --accent: #84bccb;
    --ok: #74c391;
    --warning: #e3b564;
    --warning-paper: #292214;
    --error: #f39a92;
    --error-paper: #2e1b19;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0;
  padding: 0 clamp(1rem, 4vw, 3rem) 3rem;
  background: var(--paper);
  color: var(--ink);
  font: 0.9375rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", Arial, sans-serif;
  font-variant-numeric: tabular-nums;
  overflow-wrap: anywhere;
}
.bar, #silence, #page { max-width: 80rem; margin-inline: auto; }
code {
  font: 0.9em/1.5 ui-monospace, SFMono-Regular, "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  unicode-bidi: isolate;
}
h1, h2, p, dl, dd, ul, ol { margin: 0; padding: 0; }
h1 {
  font-size: clamp(1.5rem, 1.1rem + 1.8vw, 2.125rem);
  font-weight: 600;
  line-height: 1.2;
  letter-spacing: -0.02em;
}
h2 { font-size: 1.0625rem; font-weight: 600; letter-spacing: -0.005em; }
a { color: var(--accent); text-underline-offset: 0.2em; text-decoration-thickness: 1px; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; border-radius: 2px; }
.quiet { color: var(--quiet); font-weight: 400; }
.unseen {
  position: absolute;
  width: 1px;
  height: 1px;
  overflow: hidden;
  clip-path: inset(50%);
  white-space: nowrap;
}
span.line, strong.line { display: block; }
.skip { position: absolute; left: 1rem; top: -4rem; padding: 0.5rem 0.75rem; background: var(--paper); }
.skip:focus { top: 0.5rem; z-index: 1; }

.bar {
  display: flex;
  flex-wrap: wrap;
  justify-content: space-between;
  gap: 0.25rem 1.5rem;
  padding-block: 1rem;
  border-bottom: 1px solid var(--rule);
  font-size: 0.875rem;
}
button {
  margin: -0.25rem 0 -0.25rem 0.75rem;
  padding: 0.25rem 0.75rem;
  border: 1px solid var(--quiet);
  border-radius: 1rem;
  background: none;
  color: inherit;
  font: inherit;
  cursor: pointer;
}
button:hover { border-color: var(--accent); color: var(--accent); }
#silence:not(:empty) {
  margin-top: 1rem;
  padding: 0.75rem 1rem;
  border-left: 3px solid var(--error);
  background: var(--error-paper);
}
.stale #page { opacity: 0.55; }

header {
  display: flex;
  flex-wrap: wrap;
  align-items: baseline;
  justify-content: space-between;
  gap: 0.25rem 2rem;
  padding-block: 2rem 1.25rem;
}
.verdict { font-size: 1.0625rem; font-weight: 500; }
.verdict.error, .word.refusing, .word.failed { color: var(--error); }
.verdict.warning { color: var(--warning); }
.word.refusing, .word.failed { font-weight: 600; }

.mark {
  display: inline-block;
  width: 0.625rem;
  height: 0.625rem;
  margin-right: 0.5rem;
  border: 2px solid var(--ok);
  border-radius: 50%;
  background: var(--ok);
  forced-color-adjust: none;
}
.mark.warning { border-color: var(--warning); background: none; }
.mark.refusing { border-color: var(--error); background: none; }
.mark.error, .mark.failed { border-color: var(--error); border-radius: 0; background: var(--error); rotate: 45deg; }

main > #problems { padding-top: 0; }
#problems ul { list-style: none; display: grid; gap: 0.5rem; padding-bottom: 1.5rem; }
#problems li { padding: 0.75rem 1rem; border-left: 3px solid var(--error); background: var(--error-paper); }
#problems li.warning { border-color: var(--warning); background: var(--warning-paper); }

.figures {
  display: grid;
  grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr));
  gap: 1.25rem 1.5rem;
  padding-block: 1.25rem;
  border-block: 1px solid var(--rule);
}
.figures dt { color: var(--quiet); font-size: 0.8125rem; }
.figures dd { font-size: 1.1875rem; }
.figures .quiet { font-size: 0.8125rem; white-space: nowrap; }
.figures .rate { display: block; font-size: 0.9375rem; line-height: 1.4; }

main > section, details { padding-top: 2.25rem; }
section:focus { outline: none; }
.cards { width: 100%; margin-top: 0.5rem; border-collapse: collapse; }
th, td { padding: 0.75rem 1rem 0.75rem 0; text-align: left; vertical-align: top; font-weight: 400; }
th:last-child, td:last-child { padding-right: 0; }
thead th { padding-block: 0.25rem; color: var(--quiet); font-size: 0.8125rem; }
tbody tr { border-top: 1px solid var(--rule); }
tr:target th[scope="row"] code { text-decoration: underline 2px var(--accent); text-underline-offset: 0.25em; }
tr.refusing, tr.failed { background: var(--error-paper); box-shadow: -0.75rem 0 var(--error-paper), 0.75rem 0 var(--error-paper); }
th[scope="row"] { font-weight: 500; }
th[scope="row"] .mark { float: left; margin-top: 0.375rem; }
th[scope="row"] .line { padding-left: 1.125rem; }
/* Addresses wrap where they must; nothing else does, because columns would become too narrow. */
.cards th, .cards td { overflow-wrap: normal; }
.cards th[scope="row"] > span:last-child, td.node > div { overflow-wrap: anywhere; }
.cards th[scope="row"] > span:last-child { display: block; min-width: 10rem; }
.cards th .quiet { font-size: 0.8125rem; }
td.node > div { min-width: 8.5rem; }
.id {
  display: inline-block;
  max-width: 9ch;
  overflow: hidden;
  color: var(--quiet);
  text-overflow: ellipsis;
  vertical-align: top;
  white-space: nowrap;
}
td.role, td.state time, td.connect, td.clients { white-space: nowrap; }
.clients, .connect { text-align: right; }
td.traffic { width: 15rem; }
td.traffic > div { display: flex; align-items: center; gap: 0.75rem; }
td .rate { display: block; white-space: nowrap; }
td .rates { flex: none; width: 6.75rem; }
.sparkline { flex: 1; min-width: 5rem; width: 100%; height: 2.5rem; overflow: visible; }
.sparkline path.line { fill: none; stroke: var(--accent); stroke-width: 1.25; vector-effect: non-scaling-stroke; stroke-linejoin: round; }
.sparkline path.area { fill: var(--accent); opacity: 0.14; }
.share .quiet { white-space: nowrap; }
.share { display: flex; align-items: center; gap: 0.75rem; max-width: 15rem; }
.share svg { flex: 1; width: 0; min-width: 4rem; height: 4px; background: var(--rule); }
.slots rect { fill: var(--accent); }
.note { padding-top: 0.75rem; border-top: 1px solid var(--rule); color: var(--quiet); font-size: 0.8125rem; }

.list { list-style: none; margin-top: 0.5rem; }
.list li {
  display: flex;
  flex-wrap: wrap;
  justify-content: space-between;
  gap: 0 2rem;
  padding-block: 0.5rem;
  border-top: 1px solid var(--rule);
}
.list strong { font-weight: 500; margin-right: 0.5rem; }
.log li { display: grid; grid-template-columns: 8rem 1fr; }
summary { cursor: pointer; width: fit-content; }
summary h2 { display: inline; }
.settings { margin-top: 0.5rem; }
.settings div { display: grid; grid-template-columns: minmax(10rem, 16rem) 1fr; gap: 0 1rem; padding-block: 0.25rem; border-top: 1px solid var(--rule); }
.settings .quiet { margin-left: 0.5rem; font-size: 0.8125rem; }
footer {
  display: flex;
  flex-wrap: wrap;
  justify-content: space-between;
  gap: 0.5rem 2rem;
  margin-top: 2.5rem;
  padding-top: 1rem;
  border-top: 1px solid var(--rule);
  color: var(--quiet);
  font-size: 0.8125rem;
}
nav { display: flex; gap: 1.25rem; }

@media (max-width: 72rem) {
  .cards, .cards tbody, .cards tr, .cards th, .cards td { display: block; }
  .cards thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .cards tbody { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(19rem, 100%), 1fr)); gap: 0 2.5rem; }
  .cards tr { padding-block: 1rem; }
  .cards th[scope="row"] { padding: 0 0 0.5rem; font-size: 1rem; }
  .cards th[scope="row"] .mark { margin-top: 0.4375rem; }
  .cards td { display: grid; grid-template-columns: 5rem minmax(0, 1fr); align-items: baseline; padding: 0.125rem 0; text-align: left; }
  .cards td::before { content: attr(data-label); color: var(--quiet); font-size: 0.8125rem; }
  td.node > div { min-width: 0; }
  .cards td.traffic { width: auto; align-items: center; }
  .cards td.state .line { display: inline; }
  .sparkline { min-width: 2rem; }
}
@media (max-width: 34rem) {
  .log li, .settings div { grid-template-columns: 1fr; }
}
`.trimStart();
