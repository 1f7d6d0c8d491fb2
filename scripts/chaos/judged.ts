import { describeVerdict, judgeFiles, provesNothing } from "../judge/cli.js";
import { INTEGRITY_FAILURE } from "../lib/command.js";

/**
 * The verdict over a folder of results. A run that ended early is judged as far as it goes: then it is no anomaly if a node has
 * not got everything. One in which nothing succeeded was no test, and fails as well.
 */
export async function judged(
  folder: string,
  findings: readonly string[],
  early: string | undefined,
): Promise<{ lines: string[]; exitCode: number }> {
  const verdict = await judgeFiles([folder]);
  const lines = [...describeVerdict(verdict), ...findings.map((finding) => `FOUND: ${finding}`)];
  const kinds = [...verdict.anomalies.counts.keys()].filter((kind) => early === undefined || kind !== "logs_differ");
  if (kinds.length > 0 || findings.length > 0) return { lines, exitCode: INTEGRITY_FAILURE };
  if (early !== undefined) return { lines: [...lines, early], exitCode: 1 };
  return { lines, exitCode: provesNothing(verdict) === null ? 0 : 1 };
}
