import { useSyncExternalStore } from "react";
import { remember, remembered } from "./remembered.js";

const KEY = "quorumlog-page-keys";
const listeners = new Set<() => void>();
let isOn = remembered(KEY) !== "off";

/** Whether keys without Ctrl, Alt or ⌘ act on the whole page. Who speaks to the browser turns them off: words are keys, too. */
export const arePageKeysOn = (): boolean => isOn;

export function choosePageKeys(on: boolean): void {
  isOn = on;
  remember(KEY, on ? "on" : "off");
  for (const listener of listeners) listener();
}

export const usePageKeys = (): boolean =>
  useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, arePageKeysOn);
