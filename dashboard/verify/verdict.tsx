import { many } from "../lib/format.js";
import { Mark } from "../parts/mark.js";
import { verdictOfSteps } from "./steps.js";
import type { Verified } from "./use-verification.js";

/** What the steps come to. */
export function Verdict({ verified }: { readonly verified: Verified | undefined }) {
  if (verified === undefined) return null;
  const state = verdictOfSteps(verified.steps);
  if (state === "failed") return <Mark tone="bad">does not hold</Mark>;
  const open = verified.steps.filter((step) => step.state === "open").length;
  return (
    <Mark tone="ok">
      {open === 0 ? "verified in this browser" : `verified in this browser, ${many(open, "step")} open`}
    </Mark>
  );
}
