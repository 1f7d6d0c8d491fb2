import { useSyncExternalStore } from "react";

export type Theme = "light" | "dark";
const KEY = "quorumlog-theme";
const listeners = new Set<() => void>();
const dark = window.matchMedia("(prefers-color-scheme: dark)");

/** Storage may be forbidden: then the choice lasts as long as the page. */
function stored(): Theme | null {
  try {
    const text = window.localStorage.getItem(KEY);
    return text === "light" || text === "dark" ? text : null;
  } catch {
    return null;
  }
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
  try {
    window.localStorage.setItem(KEY, theme);
  } catch {
    // See above.
  }
  applyTheme();
}

export const useTheme = (): Theme =>
  useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, themeNow);
