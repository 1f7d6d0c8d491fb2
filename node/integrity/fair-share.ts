import type { FieldDifference } from "../storage/incident.js";

/**
 * At most `max` of them, in order: the first of each block, then the second of each, and so on. Somebody who alters much of one
 * block does not hide so which fields of the others were altered.
 */
export function fairShare(differences: readonly FieldDifference[], max: number): readonly FieldDifference[] {
  if (differences.length <= max) return differences;
  const counts = new Map<number, number>();
  const ranked = differences.map(({ height }, i) => {
    const rank = counts.get(height) ?? 0;
    counts.set(height, rank + 1);
    return { i, rank };
  });
  const kept = ranked.sort((a, b) => a.rank - b.rank || a.i - b.i).slice(0, max);
  return kept.sort((a, b) => a.i - b.i).map(({ i }) => differences[i] as FieldDifference);
}
