export interface Pause {
  kind: string;
  gapMs: number;
}

/** Median and worst pause of writes by kind of fault, as lines of a table. */
export function pauseTable(pauses: Pause[]): string[] {
  const kinds = [...new Set(pauses.map(({ kind }) => kind))];
  const rows = kinds.map((kind) => {
    const gaps = pauses.filter((pause) => pause.kind === kind).map(({ gapMs }) => gapMs);
    return row(kind, String(gaps.length), `${Math.round(median(gaps))} ms`, `${Math.round(Math.max(...gaps))} ms`);
  });
  return [row("FAULT", "TIMES", "MEDIAN", "WORST"), ...rows];
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] as number) + (sorted[Math.floor(middle)] as number)) / 2;
}

function row(kind: string, times: string, middle: string, worst: string): string {
  return `  ${kind.padEnd(14)}${times.padStart(6)}${middle.padStart(11)}${worst.padStart(11)}`;
}
