/** What a checker throws: a property of the system does not hold. Anything else that is thrown is a bug as well. */
export class Violation extends Error {
  constructor(
    /** `I1` to `I14` of docs/invariants, `persist-before-send`, `alert`, … */
    readonly property: string,
    message: string,
  ) {
    super(`${property}: ${message}`);
    this.name = "Violation";
  }
}

/** The system under test may catch what a checker throws inside of it, so it is kept here as well. */
let first: Violation | null = null;

export function check(holds: boolean, property: string, message: () => string): asserts holds {
  if (holds) return;
  const violation = new Violation(property, message());
  first ??= violation;
  throw violation;
}

/** What was thrown where nobody could catch it. */
export function noteError(error: unknown): void {
  first ??= error instanceof Violation ? error : new Violation("exception", String((error as Error).stack));
}

export function assertNoViolation(): void {
  if (first !== null) throw first;
}

export function forgetViolations(): void {
  first = null;
}
