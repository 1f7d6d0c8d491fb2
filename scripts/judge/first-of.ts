/** The first ones, and of what is left out how much it is. */
export function firstOf(items: readonly string[], max: number, count = items.length): string[] {
  const shown = items.slice(0, max);
  return count > shown.length ? [...shown, `and ${count - shown.length} more`] : shown;
}
