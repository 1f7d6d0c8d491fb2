/** A command was asked wrongly: the message says how, and the exit code is 2. */
export class UsageError extends Error {}

export function wholeNumber(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new UsageError(`${name} must be a whole number from ${min} to ${max}, not "${text}".`);
}

export function minutesOf(text: string): number {
  const value = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && value > 0 && value <= 10_000) return value;
  throw new UsageError(`--minutes must be a number of minutes such as 10 or 0.5, not "${text}".`);
}
