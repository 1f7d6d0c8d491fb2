import type { EventView } from "../../shared/log/event.js";
import type { BlockView } from "../../shared/protocol/http.js";
import { checkEvidence } from "./evidence.js";
import { fetchRange } from "./fetch-range.js";
import { contentOf, type RangeFile } from "./files.js";
import type { Job, Told } from "./messages.js";
import { RangeChecker } from "./range.js";
import { isSigned, prepareSignatures } from "./signature.js";
import { verdictOfSteps } from "./steps.js";

/** Checks beside the page, so that it stays quick. Jobs come one after the other; `stop` ends the one under way. */
const PROGRESS_EVERY = 200;
let isStopped = false;

const tell = (told: Told): void => self.postMessage(told);

self.addEventListener("message", ({ data }: MessageEvent<Job>) => {
  if (data.kind === "stop") {
    isStopped = true;
    return;
  }
  isStopped = false;
  run(data).catch((error: unknown) =>
    tell({ kind: "failed", detail: error instanceof Error ? error.message : String(error) }),
  );
});

// A file is checked without a network too.
void prepareSignatures();

const now = (): string => new Date().toISOString();

async function run(job: Exclude<Job, { kind: "stop" }>): Promise<void> {
  if (job.kind === "file") return checkFile(job.name, job.text);
  const { base, from, to, keeps } = job;
  const checker = new RangeChecker(isSigned, { from, to });
  const kept = { events: [] as EventView[], blocks: [] as BlockView[] };
  let done = 0;
  await fetchRange(base, from, to, {
    onEvents(events) {
      for (const event of events) checker.event(event);
      if (keeps) kept.events.push(...events);
      done += events.length;
      tell({ kind: "progress", done, of: to - from + 1 });
    },
    async onBlock(block) {
      await checker.block(block);
      if (keeps) kept.blocks.push(block);
    },
    isStopped: () => isStopped,
  });
  const file: RangeFile = { format: "quorumlog/range/v1", ...kept };
  const source = `events ${from} to ${to} of ${base}${isStopped ? ", stopped before its end" : ""}`;
  const report = checker.report(source, now(), { isStopped });
  tell({ kind: "report", report, file: keeps ? JSON.stringify(file) : null });
}

async function checkFile(name: string, text: string): Promise<void> {
  const content = contentOf(text);
  if (content.kind === "evidence") {
    const steps = await checkEvidence(content.bundle, isSigned);
    const verdict = verdictOfSteps(steps) === "failed" ? "altered" : "sound";
    const report = { format: "quorumlog/check/v1", source: name, checkedAt: now() } as const;
    tell({ kind: "evidence", report: { ...report, verdict, alert: content.bundle.alert, steps } });
    return;
  }
  const checker = new RangeChecker(isSigned);
  const of = content.events.length + content.blocks.length;
  let done = 0;
  const step = async (): Promise<void> => {
    done += 1;
    if (done % PROGRESS_EVERY !== 0) return;
    tell({ kind: "progress", done, of });
    // Lets a wish to stop come in.
    await new Promise((resolve) => setTimeout(resolve));
  };
  for (const event of content.events) {
    if (isStopped) break;
    checker.event(event);
    await step();
  }
  for (const block of content.blocks) {
    if (isStopped) break;
    await checker.block(block);
    await step();
  }
  const source = `the file ${name}${isStopped ? ", stopped before its end" : ""}`;
  tell({ kind: "report", report: checker.report(source, now()), file: null });
}
