/** A decimal literal as digits without zeros at either end, times a power of ten; zero has no digits. */
interface Decimal {
  readonly digits: string;
  readonly exponent: number;
}

const LITERAL = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/**
 * Whether a JSON number comes back from an IEEE-754 double: a whole number digit by digit; of a fraction the whole part
 * (that a fraction is rounded to the nearest double is what "number" means in JSON); and nothing overflows or vanishes.
 */
export function numberSurvives(literal: string): boolean {
  const value = Number(literal);
  if (!Number.isFinite(value)) return false;
  const sent = decimalOf(literal);
  if (sent === null) return false;
  if (value === 0) return sent.digits === "";
  const kept = decimalOf(String(value));
  if (kept === null) return false;
  if (sent.exponent >= 0) return sent.exponent === kept.exponent && sent.digits === kept.digits;
  return wholePart(sent) === wholePart(kept);
}

function decimalOf(literal: string): Decimal | null {
  const match = LITERAL.exec(literal);
  if (match === null) return null;
  const [, whole = "", fraction = "", power = "0"] = match;
  const all = whole + fraction;
  // Loops, not expressions such as /0+$/: those take quadratic time over a long run of zeros.
  let start = 0;
  while (start < all.length && all[start] === "0") start++;
  let end = all.length;
  while (end > start && all[end - 1] === "0") end--;
  const digits = all.slice(start, end);
  return { digits, exponent: digits === "" ? 0 : Number(power) - fraction.length + (all.length - end) };
}

/** The digits before the point. The value is finite, so at most 309 of them. */
function wholePart({ digits, exponent }: Decimal): string {
  if (exponent >= 0) return digits + "0".repeat(exponent);
  return digits.slice(0, Math.max(0, digits.length + exponent));
}
