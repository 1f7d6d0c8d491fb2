import { useSyncExternalStore } from "react";

export type Zone = "utc" | "local";
const KEY = "quorumlog-zone";
const listeners = new Set<() => void>();

/** Storage may be forbidden: then the choice lasts as long as the page. */
function stored(): Zone {
  try {
    return window.localStorage.getItem(KEY) === "local" ? "local" : "utc";
  } catch {
    return "utc";
  }
}
let chosen: Zone | null = null;

export const zoneNow = (): Zone => (chosen ??= typeof window === "undefined" ? "utc" : stored());

export function chooseZone(zone: Zone): void {
  chosen = zone;
  try {
    window.localStorage.setItem(KEY, zone);
  } catch {
    // See above.
  }
  for (const listener of listeners) listener();
}

export const useZone = (): Zone =>
  useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, zoneNow);
