import type { Difference, Fault } from "./fault.js";

const KEPT_MAX = 100;

/** Counts all differences, keeps the first ones. */
export class Findings {
  readonly kept: Difference[] = [];
  count = 0;
  /** What is no difference, and what a reader of the result should know. */
  readonly notes: string[] = [];

  add(difference: Difference): void {
    this.count += 1;
    if (this.kept.length < KEPT_MAX) this.kept.push(difference);
  }

  addFault(node: string, height: number | undefined, { fault, field, message, about }: Fault): void {
    this.add({ node, ...(height === undefined ? {} : { height }), ...about, field, fault, detail: message });
  }
}

/** As a user keeps it from one run to the next: `1000:e3b0…`. */
export interface Head {
  readonly size: number;
  readonly root: string;
}

export const headText = ({ size, root }: Head): string => `${size}:${root}`;
