import type { RangeReport } from "./range.js";
import type { Step } from "./steps.js";

/** What the page asks of the worker. */
export type Job =
  | {
      readonly kind: "range";
      readonly base: string;
      readonly from: number;
      readonly to: number;
      readonly keeps: boolean;
    }
  | { readonly kind: "file"; readonly name: string; readonly text: string }
  | { readonly kind: "stop" };

export interface EvidenceReport {
  readonly format: "quorumlog/check/v1";
  readonly source: string;
  readonly checkedAt: string;
  readonly verdict: "sound" | "altered";
  readonly alert: object;
  readonly steps: readonly Step[];
}

/** What the worker tells. */
export type Told =
  | { readonly kind: "progress"; readonly done: number; readonly of: number }
  | { readonly kind: "report"; readonly report: RangeReport; readonly file: string | null }
  | { readonly kind: "evidence"; readonly report: EvidenceReport }
  | { readonly kind: "failed"; readonly detail: string };
