import { zoneNow } from "./zone.js";

/** In the zone that the person has chosen: the page is drawn anew when that changes. */
export const zoneName = (): string => (zoneNow() === "utc" ? "UTC" : "local");
/** `10:02:16.114` of an RFC 3339 text in UTC. */
export const clockTime = (text: string): string => inZone(text).slice(11, 23);
export const dateOf = (text: string): string => inZone(text).slice(0, 10);

export const moment = (text: string): string => `${dateOf(text)} ${clockTime(text)}`;

/** What is no time is shown as it is. */
function inZone(text: string): string {
  const at = new Date(text);
  if (zoneNow() === "utc" || Number.isNaN(at.getTime())) return text;
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString();
}
export const localTime = (text: string): string => {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? text : at.toLocaleString();
};
