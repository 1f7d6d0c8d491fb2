export interface Pause {
  kind: string;
  /** From the fault to the first newly begun write that was acknowledged. */
  gapMs: number;
  /** The longest time without any acknowledgement: a leader that is asked to stop still answers for a moment. */
  stallMs: number;
}

/** Median and worst pause of writes by kind of fault, as lines of a table. */
export function pauseTable(pauses: Pause[]): string[] {
  const kinds = [...new Set(pauses.map(({ kind }) => kind))];
  const width = Math.max(14, ...kinds.map((kind) => kind.length + 2));
  const rows = kinds.map((kind) => {
    const ofKind = pauses.filter((pause) => pause.kind === kind);
    const gaps = ofKind.map(({ gapMs }) => gapMs);
    const stalls = ofKind.map(({ stallMs }) => stallMs);
    const values = [median(gaps), Math.max(...gaps), median(stalls), Math.max(...stalls)];
    return row(kind.padEnd(width), String(ofKind.length), ...values.map((ms) => `${Math.round(ms)} ms`));
  });
  return [row("FAULT".padEnd(width), "TIMES", "PAUSE", "WORST", "STALL", "WORST"), ...rows];
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] as number) + (sorted[Math.floor(middle)] as number)) / 2;
}

function row(kind: string, times: string, ...values: string[]): string {
  return `  ${kind}${times.padStart(6)}${values.map((value) => value.padStart(10)).join("")}`;
}
