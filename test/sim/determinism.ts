/**
 * Runs `body` with the process's own clock and randomness replaced by throwers: a core that reads either one would
 * make a seed unrepeatable, and is found at once.
 */
export function withoutAmbientInputs<T>(body: () => T): T {
  const originalRandom = Math.random;
  const originalNow = Date.now;
  const refuse = (name: string) => (): never => {
    throw new Error(`${name} was called in a simulated run: take it as an input`);
  };
  Math.random = refuse("Math.random");
  Date.now = refuse("Date.now");
  try {
    return body();
  } finally {
    Math.random = originalRandom;
    Date.now = originalNow;
  }
}
