import { TIMESTAMP_CHARACTERS_MAX } from "./limits.js";

const RFC_3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])(\d\d):(\d\d))?$/;
const DAY_MS = 86_400_000;
const DAYS_BEFORE_MONTH = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
/** The years 0000 to 9999 of UTC. */
export const MILLIS_FIRST = -62_167_219_200_000;
export const MILLIS_LAST = 253_402_300_799_999;

/** A place in time: whole milliseconds since 1970, rounded down, and the digits of the fraction beyond them. */
export interface Instant {
  readonly millis: number;
  /** Decimal digits after the third, without trailing zeros: "5" is half a millisecond. */
  readonly rest: string;
}

/**
 * The instant of an RFC 3339 date-time, or null if it is none. Without an offset it is read as UTC, everywhere. A space
 * or a lower-case t or z is accepted as RFC 3339 section 5.6 allows. A leap second (:60) is refused: no clock of ours
 * could say which second it is.
 */
export function instantOf(text: string): Instant | null {
  const millis = exactMillis(text);
  if (millis !== null) return { millis, rest: "" };
  const match = RFC_3339.exec(text);
  if (match === null) return null;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [, , , , , , , fraction = "", , sign = "+", offsetHour = "0", offsetMinute = "0"] = match;
  if (Number(offsetHour) > 23 || Number(offsetMinute) > 59) return null;
  const offset = (Number(offsetHour) * 60 + Number(offsetMinute)) * 60_000;
  const local = millisAt(year, month, day, hour, minute, second) + Number(fraction.slice(0, 3).padEnd(3, "0"));
  // Not a number: there is no such date or no such time.
  if (Number.isNaN(local)) return null;
  return { millis: local - (sign === "-" ? -offset : offset), rest: withoutZeros(fraction.slice(3)) };
}

/** Without those at its end. A filter may have thousands of digits, and a pattern would take the square of their number. */
function withoutZeros(digits: string): string {
  let end = digits.length;
  while (digits[end - 1] === "0") end -= 1;
  return digits.slice(0, end);
}

/** NaN for a date or a time that does not exist. */
function millisAt(year: number, month: number, day: number, hour: number, minute: number, second: number): number {
  const isTime = hour <= 23 && minute <= 59 && second <= 59;
  if (!(isTime && month >= 1 && month <= 12 && day >= 1 && day <= daysOf(year, month))) return Number.NaN;
  return dayNumber(year, month, day) * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1_000;
}

/** Milliseconds since 1970 (rounded down), or null: see `instantOf`. */
export const timestampMillis = (text: string): number | null => instantOf(text)?.millis ?? null;

/** What may stand as a timestamp: an instant whose year has four digits in UTC too. 9999-12-31T23:59:59-01:00 has not. */
export function isTimestamp(text: string): boolean {
  const millis = text.length <= TIMESTAMP_CHARACTERS_MAX ? timestampMillis(text) : null;
  return millis !== null && isInYears(millis);
}

/** Whether `millisText` has a text for these milliseconds. */
export const isInYears = (millis: number): boolean => millis >= MILLIS_FIRST && millis <= MILLIS_LAST;

/** Negative, zero or positive, as the first is before, at or after the second. */
export function compareInstants(a: Instant, b: Instant): number {
  if (a.millis !== b.millis) return a.millis - b.millis;
  // Digits after a point compare as text does: a prefix of a longer fraction is smaller.
  return a.rest < b.rest ? -1 : a.rest > b.rest ? 1 : 0;
}

/** `YYYY-MM-DDTHH:MM:SS.mmmZ`; null for a number that no such text stands for (years 0000 to 9999). */
export function millisText(millis: number): string | null {
  if (!Number.isSafeInteger(millis) || !isInYears(millis)) return null;
  const days = Math.floor(millis / DAY_MS);
  const rest = millis - days * DAY_MS;
  // Most events of a block are of one day.
  if (days !== lastDate.days) lastDate = { days, text: dateText(days) };
  const clock = `${two(Math.floor(rest / 3_600_000))}:${two(Math.floor(rest / 60_000) % 60)}:${two(Math.floor(rest / 1_000) % 60)}`;
  return `${lastDate.text}T${clock}.${String(rest % 1_000).padStart(3, "0")}Z`;
}
let lastDate = { days: 0, text: "1970-01-01" };

/** The milliseconds of a text that `millisText` gives back the same; null for every other text. */
export function exactMillis(text: string): number | null {
  if (text.length !== 24 || !hasMarks(text)) return null;
  const whole = millisAt(
    digits(text, 0, 4),
    digits(text, 5, 7),
    digits(text, 8, 10),
    digits(text, 11, 13),
    digits(text, 14, 16),
    digits(text, 17, 19),
  );
  const millis = whole + digits(text, 20, 23);
  return Number.isNaN(millis) ? null : millis;
}

/** What stands between the numbers of `YYYY-MM-DDTHH:MM:SS.mmmZ`; one by one, because nothing is asked more often. */
const hasMarks = (text: string): boolean =>
  text.charCodeAt(4) === 0x2d &&
  text.charCodeAt(7) === 0x2d &&
  text.charCodeAt(10) === 0x54 &&
  text.charCodeAt(13) === 0x3a &&
  text.charCodeAt(16) === 0x3a &&
  text.charCodeAt(19) === 0x2e &&
  text.charCodeAt(23) === 0x5a;

/** The number that the digits stand for; NaN where there is anything else. */
function digits(text: string, from: number, to: number): number {
  let value = 0;
  for (let i = from; i < to; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}

const two = (value: number): string => (value < 10 ? `0${value}` : `${value}`);
const isLeap = (year: number): boolean => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
const daysOf = (year: number, month: number): number =>
  month === 2 ? (isLeap(year) ? 29 : 28) : month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;

/** Days since 1970-01-01 in the proleptic Gregorian calendar (RFC 3339 knows no other). */
function dayNumber(year: number, month: number, day: number): number {
  const before = year - 1;
  const leaps = Math.floor(before / 4) - Math.floor(before / 100) + Math.floor(before / 400);
  const inYear = (DAYS_BEFORE_MONTH[month - 1] as number) + (month > 2 && isLeap(year) ? 1 : 0) + day - 1;
  return before * 365 + leaps + inYear - DAYS_TO_1970;
}
const DAYS_TO_1970 = 1969 * 365 + Math.floor(1969 / 4) - Math.floor(1969 / 100) + Math.floor(1969 / 400);

function dateText(days: number): string {
  let year = 1970 + Math.floor(days / 365.2425);
  while (dayNumber(year, 1, 1) > days) year -= 1;
  while (dayNumber(year + 1, 1, 1) <= days) year += 1;
  let month = 12;
  while (dayNumber(year, month, 1) > days) month -= 1;
  return `${String(year).padStart(4, "0")}-${two(month)}-${two(days - dayNumber(year, month, 1) + 1)}`;
}
