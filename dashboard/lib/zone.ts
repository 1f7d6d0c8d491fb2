import { useSyncExternalStore } from "react";
import { remember, remembered } from "./remembered.js";

export type Zone = "utc" | "local";
const KEY = "quorumlog-zone";
const listeners = new Set<() => void>();

const stored = (): Zone => (remembered(KEY) === "local" ? "local" : "utc");
let chosen: Zone | null = null;

export const zoneNow = (): Zone => (chosen ??= typeof window === "undefined" ? "utc" : stored());

export function chooseZone(zone: Zone): void {
  chosen = zone;
  remember(KEY, zone);
  for (const listener of listeners) listener();
}

export const useZone = (): Zone =>
  useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, zoneNow);
