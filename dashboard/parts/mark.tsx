import styles from "./mark.module.css";
import type { Tone } from "./tone.js";

const SIGNS: Readonly<Record<Tone, string>> = { ok: "✓", warn: "!", bad: "✗", unknown: "?" };

/** A word with its sign: never a colour alone. */
export function Mark({ tone, children }: { readonly tone: Tone; readonly children: string }) {
  return (
    <span className={`${styles.mark} ${styles[tone]}`}>
      <span aria-hidden="true">{SIGNS[tone]}</span>
      {children}
    </span>
  );
}
