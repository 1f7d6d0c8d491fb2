/** What a checker throws: a property of the system does not hold. Anything else that is thrown is a bug as well. */
export class Violation extends Error {
  constructor(
    /** `I1` to `I13` of docs/invariants, `persist-before-send`, `liveness`, `alert`, … */
    readonly property: string,
    message: string,
  ) {
    super(`${property}: ${message}`);
    this.name = "Violation";
  }
}

export function check(holds: boolean, property: string, message: () => string): asserts holds {
  if (!holds) throw new Violation(property, message());
}
