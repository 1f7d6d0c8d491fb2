/** How many of `memberCount` members are a majority. */
export const majority = (memberCount: number): number => Math.floor(memberCount / 2) + 1;

/** The highest height that a majority of `memberCount` members has reached; members not listed count as 0. */
export function majorityHeight(heights: readonly number[], memberCount: number): number {
  const sorted = [...heights].sort((a, b) => b - a);
  return sorted[majority(memberCount) - 1] ?? 0;
}
