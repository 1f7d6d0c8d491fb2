/** What an answer says of where it came from. */
export interface Sources {
  readonly servedBy: string;
  /** Other nodes whose proved copies, or whose search, it rests on; none where this node's own were sound. */
  readonly answeredFrom: readonly string[];
}
/** Several answers as one. */
export const sourcesOf = (answers: readonly (Sources | undefined)[]): Sources => ({
  servedBy: answers.find((answer) => answer !== undefined)?.servedBy ?? "",
  answeredFrom: [...new Set(answers.flatMap((answer) => answer?.answeredFrom ?? []))].sort(),
});
