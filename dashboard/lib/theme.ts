import { useSyncExternalStore } from "react";
import { remember, remembered } from "./remembered.js";

export type Theme = "light" | "dark";
const KEY = "quorumlog-theme";
const listeners = new Set<() => void>();
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function stored(): Theme | null {
  const text = remembered(KEY);
  return text === "light" || text === "dark" ? text : null;
}
let chosen = stored();

const themeNow = (): Theme => chosen ?? (dark.matches ? "dark" : "light");

export function applyTheme(): void {
  document.documentElement.dataset.theme = themeNow();
  for (const listener of listeners) listener();
}
dark.addEventListener("change", applyTheme);

export function chooseTheme(theme: Theme): void {
  chosen = theme;
  remember(KEY, theme);
  applyTheme();
}

export const useTheme = (): Theme =>
  useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, themeNow);
