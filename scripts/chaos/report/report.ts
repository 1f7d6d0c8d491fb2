import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { HISTORY_FILE, linesOf } from "../../judge/cli.js";
import type { HistoryLine } from "../../judge/format.js";
import type { LinkCounts } from "../../proxy/link.js";
import { FAULT_NAMES, NOT_MADE_HERE } from "../faults/catalogue.js";
import { htmlReport } from "./html.js";
import { median, pauseTable } from "./summary.js";
import { Timeline } from "./timeline.js";

export interface Outcome {
  verdict: string[];
  isSound: boolean;
  links: LinkCounts;
}

/** Writes report.txt and report.html beside the history; answers the text. */
export async function writeReport(folder: string, outcome: Outcome): Promise<string[]> {
  const timeline = new Timeline();
  for await (const line of linesOf<HistoryLine>(join(folder, HISTORY_FILE))) timeline.add(line);
  const text = textReport(timeline, outcome);
  writeFileSync(join(folder, "report.txt"), `${text.join("\n")}\n`);
  writeFileSync(join(folder, "report.html"), htmlReport(timeline, text, outcome.isSound));
  return text;
}

export function textReport(timeline: Timeline, { verdict, links }: Outcome): string[] {
  const { run, faults, episodes, leaders, calls, endMs } = timeline;
  const pauses = timeline.pauses();
  const byKind = episodes.map((episode, index) => {
    return { kind: timeline.kindOf(episode), ...(pauses[index] as { gapMs: number; stallMs: number }) };
  });
  const replays = Object.entries(links.replays).map(([status, count]) => `${count} × ${status}`);
  const asked = run?.faults ?? [];
  const notAsked = FAULT_NAMES.filter((name) => !asked.includes(name));
  const isFew = asked.length <= notAsked.length;
  const choice = isFew ? `Asked for: ${asked.join(", ")}.` : `Not asked for: ${notAsked.join(", ")}.`;
  const summary = (values: number[]) =>
    values.length === 0
      ? "none"
      : `median ${Math.round(median(values))} ms, worst ${Math.round(Math.max(...values))} ms`;
  return [
    "",
    `Seed ${run?.seed}, ${run?.nodes.length} nodes, ${(endMs / 1000).toFixed(0)} s.`,
    `${calls} calls; ${faults.length} faults in ${episodes.length} episodes; ${leaders.length} changes of leader seen, up to term ${leaders.at(-1)?.term ?? 0}.`,
    `Pause of writes (from a fault to the first newly begun write that was acknowledged): ${summary(pauses.map(({ gapMs }) => gapMs))}.`,
    `Stall (the longest time without any acknowledgement until all was healed): ${summary(pauses.map(({ stallMs }) => stallMs))}.`,
    "",
    ...pauseTable(byKind),
    "",
    `Links: ${links.connections} connections, ${links.resets} reset at random, ${links.lostReplies} replies lost after the request was carried out;`,
    `requests delivered twice, by the answer to the copy: ${replays.join(", ") || "none"} (401: refused as a replay).`,
    ...(notAsked.length === 0 ? [] : [choice]),
    "Not made on real processes, covered by the simulator:",
    ...Object.entries(NOT_MADE_HERE).map(([name, why]) => `  ${name.padEnd(14)}${why}`),
    "",
    ...verdict,
  ];
}
