const FORM = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))?$/;
const FIRST_MS = -62_167_219_200_000;
const LAST_MS = 253_402_300_799_999;

export const isInYears = (millis: number): boolean => millis >= FIRST_MS && millis <= LAST_MS;

/** Whole milliseconds since 1970, rounded down, of a timestamp as docs/reference/hash-spec.md describes it; null if it is none. */
export function millisOf(text: string): number | null {
  const match = FORM.exec(text);
  if (match === null) return null;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [fraction = "", sign, offsetHour = "0", offsetMinute = "0"] = match.slice(7);
  if (hour > 23 || minute > 59 || second > 59 || Number(offsetHour) > 23 || Number(offsetMinute) > 59) return null;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  const local =
    date.getTime() + ((hour * 60 + minute) * 60 + second) * 1_000 + Number(fraction.slice(0, 3).padEnd(3, "0"));
  const offset = (Number(offsetHour) * 60 + Number(offsetMinute)) * 60_000;
  return sign === "-" ? local + offset : local - offset;
}

/** `YYYY-MM-DDTHH:MM:SS.mmmZ` of milliseconds in the years 0000 to 9999. */
export const shortForm = (millis: number): string => new Date(millis).toISOString();

export function isShortForm(text: string): boolean {
  const millis = text.length === 24 ? millisOf(text) : null;
  return millis !== null && isInYears(millis) && shortForm(millis) === text;
}
