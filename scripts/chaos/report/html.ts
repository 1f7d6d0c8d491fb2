import { escapeMarkup } from "../../../shared/escape.js";
import { seconds } from "../watch.js";
import { chart } from "./chart.js";
import type { Timeline } from "./timeline.js";

const STYLE = `
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif;
  --ink: #1b1f24; --soft: #6a737d; --line: #8884; --band: #8882; --page: #fff;
  --fault: #b3404a; --acked: #2f7d4f; --read: #4a78b8; --refused: #c98a1b; --unknown: #a2459c; --fail: #7a7a7a;
  --n1: #2f6fa8; --n2: #c2702b; --n3: #3f8f5f; --n4: #8a56a8; --n5: #a8902f; }
@media (prefers-color-scheme: dark) { :root {
  --ink: #e6e8eb; --soft: #9aa4af; --line: #8886; --band: #8883; --page: #15181c;
  --fault: #e2727c; --acked: #5cb983; --read: #7aa6e0; --refused: #e0ad4d; --unknown: #d07fca; --fail: #a0a0a0;
  --n1: #6aa9e0; --n2: #e69a58; --n3: #6fc293; --n4: #bb8ad8; --n5: #d6be5e; } }
body { max-width: 82rem; margin: 1.5rem auto; padding: 0 1rem; background: var(--page); color: var(--ink); }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.verdict { display: inline-block; padding: .2rem .7rem; border-radius: .4rem; font-weight: 600; color: #fff; }
.sound { background: #2f7d4f; } .broken { background: #b3202c; }
svg { width: 100%; height: auto; } svg text { fill: var(--ink); font-size: 11px; } svg .soft { fill: var(--soft); }
pre { overflow-x: auto; padding: .75rem; border: 1px solid var(--line); border-radius: .4rem; font-size: 12.5px; }
table { border-collapse: collapse; font-size: 13px; } td, th { padding: .15rem .7rem .15rem 0; text-align: left; }
td.number { text-align: right; font-variant-numeric: tabular-nums; } tr + tr { border-top: 1px solid var(--line); }
`;

/** One page that needs nothing else: no scripts, nothing loaded from anywhere, readable in light and dark. */
export function htmlReport(timeline: Timeline, text: readonly string[], isSound: boolean): string {
  const { run } = timeline;
  const title = `Chaos on ${run?.nodes.length} nodes, seed ${run?.seed}`;
  const verdict = isSound
    ? `<span class="verdict sound">No anomaly</span>`
    : `<span class="verdict broken">ANOMALIES: see below</span>`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeMarkup(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeMarkup(title)}</h1>
<p>${verdict} &nbsp; begun ${escapeMarkup(run?.startedAt ?? "")}</p>
${chart(timeline)}
<h2>Figures and verdict</h2>
<pre>${escapeMarkup(text.join("\n").trim())}</pre>
<h2>Every fault</h2>
${faultTable(timeline)}
</main>
</body>
</html>
`;
}

function faultTable({ faults }: Timeline): string {
  const rows = [...faults]
    .sort((a, b) => a.start - b.start)
    .map(({ name, nodes, settings, start, end }) => {
      const how = Object.entries(settings).map(([key, value]) => `${key} ${value}`);
      const cells = [seconds(start), seconds(end - start)].map((cell) => `<td class="number">${cell}</td>`);
      const words = [name, nodes.join(" "), how.join(", ")].map((cell) => `<td>${escapeMarkup(cell)}</td>`);
      return `<tr>${cells.join("")}${words.join("")}</tr>`;
    });
  const head = ["from", "for", "fault", "nodes", "how"].map((cell) => `<th>${cell}</th>`);
  return `<table><thead><tr>${head.join("")}</tr></thead><tbody>\n${rows.join("\n")}\n</tbody></table>`;
}
