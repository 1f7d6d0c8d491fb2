const RFC_3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])(\d\d):(\d\d))?$/;
/** The longest text that is looked at; a fraction of any length below it is accepted. */
const CHARACTERS_MAX = 256;
const ISO_LENGTH = "2026-01-01T00:00:00.000Z".length;

/**
 * Milliseconds since 1970 (rounded down) of an RFC 3339 date-time, or null if it is none. Without an offset it is read
 * as UTC, everywhere. A space or a lower-case t or z is accepted as RFC 3339 section 5.6 allows. A leap second (:60)
 * is refused: no clock of ours could say which second it is.
 */
export function timestampMillis(text: string): number | null {
  if (text.length > CHARACTERS_MAX) return null;
  // What most clients write, and this program itself: a text that a Date writes back the same is read by it.
  if (text.length === ISO_LENGTH && text.endsWith("Z")) {
    const iso = new Date(text);
    if (!Number.isNaN(iso.getTime()) && iso.toISOString() === text) return iso.getTime();
  }
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
  if (hour > 23 || minute > 59 || second > 59 || Number(offsetHour) > 23 || Number(offsetMinute) > 59) return null;
  // Date.UTC would read the years 0 to 99 as 1900 to 1999, and would carry a thirteenth month over.
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCFullYear() !== year || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  date.setUTCHours(hour, minute, second, Number(fraction.slice(0, 3).padEnd(3, "0")));
  const offset = (Number(offsetHour) * 60 + Number(offsetMinute)) * 60_000;
  return date.getTime() - (sign === "-" ? -offset : offset);
}
