import { many } from "../lib/format.js";
import { Mark } from "../parts/mark.js";
import { verdictOfSteps } from "./steps.js";
import type { Verified } from "./use-verification.js";

interface VerdictProps {
  readonly verified: Verified | undefined;
  /** It could not be verified again since. */
  readonly isOutdated?: boolean;
}

/** What the steps come to. */
export function Verdict({ verified, isOutdated = false }: VerdictProps) {
  if (verified === undefined) return null;
  const state = verdictOfSteps(verified.steps);
  if (state === "failed") return <Mark tone="bad">does not hold</Mark>;
  const open = verified.steps.filter((step) => step.state === "open").length;
  if (isOutdated) return <Mark tone="unknown">was verified in this browser, not again since</Mark>;
  return (
    <Mark tone="ok">
      {open === 0 ? "verified in this browser" : `verified in this browser, ${many(open, "step")} open`}
    </Mark>
  );
}
