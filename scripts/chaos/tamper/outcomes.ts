import { median } from "../../bench/statistics.js";
import type { Role } from "./cases.js";

export interface Outcome {
  readonly what: string;
  readonly where: string;
  readonly role: Role;
  /** Whose data were changed. */
  readonly nodes: readonly string[];
  readonly kind: string;
  /** Null: not at all. */
  readonly foundMs: number | null;
  /** What the alert does not say, or says wrongly. */
  readonly wrong: string[];
}

/** How long each kind took to be found, and whether it was named rightly. */
export class Outcomes {
  readonly all: Outcome[] = [];

  constructor(private readonly withinMs: number) {}

  add(outcome: Outcome): void {
    this.all.push(outcome);
  }

  get isSound(): boolean {
    return this.all.length > 0 && this.all.every((one) => this.isInTime(one) && one.wrong.length === 0);
  }

  private isInTime({ foundMs }: Outcome): boolean {
    return foundMs !== null && foundMs <= this.withinMs;
  }

  line(one: Outcome): string {
    const { what, where, role, nodes, kind, foundMs, wrong } = one;
    const place = where === "none" ? "" : `, ${where}`;
    const found = foundMs === null ? "NOT FOUND" : `${this.isInTime(one) ? "" : "LATE: "}${seconds(foundMs)}`;
    return `  ${kind.padEnd(18)} ${found.padStart(9)}  ${what}${place}, on ${role === "two" ? "two nodes" : `the ${role}`} (${nodes.join(", ")})${wrong.map((text) => `; WRONG: ${text}`).join("")}`;
  }

  lines(): string[] {
    const kinds = [...new Set(this.all.map(({ kind }) => kind))].sort();
    const rows = kinds.map((kind) => {
      const of = this.all.filter((one) => one.kind === kind);
      const times = of.flatMap(({ foundMs }) => (foundMs === null ? [] : [foundMs]));
      const right = of.filter((one) => one.foundMs !== null && one.wrong.length === 0).length;
      const [middle, worst] = times.length === 0 ? ["–", "–"] : [seconds(median(times)), seconds(Math.max(...times))];
      return [kind, String(of.length), middle, worst, `${right} of ${of.length}`];
    });
    const late = this.all.filter((one) => !this.isInTime(one));
    const head = ["kind", "times", "median", "worst", "named rightly"];
    const widths = head.map((name, i) => Math.max(name.length, ...rows.map((row) => (row[i] as string).length)));
    const lineOf = (cells: readonly string[]): string =>
      cells
        .map((cell, i) => cell.padEnd(widths[i] as number))
        .join("  ")
        .trimEnd();
    const bound = `${this.withinMs / 1_000} s`;
    return [
      "",
      lineOf(head),
      ...rows.map(lineOf),
      "",
      late.length === 0
        ? `All of ${this.all.length} were found within ${bound}.`
        : `${late.length} of ${this.all.length} were NOT found within ${bound}.`,
    ];
  }
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(2)} s`;
