/** Whether the person wants nothing to move: then what comes live is counted, and shown when it is asked for. */
export const isStill = (): boolean => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

/** `paused=1` and `paused=0` in the URL are somebody's own choice. */
export function isPausedIn(parameters: URLSearchParams): boolean {
  const chosen = parameters.get("paused");
  return chosen === null ? isStill() : chosen !== "0";
}

/** What stands in the URL to turn it round; nothing where that is so anyway. */
export const turned = (isPaused: boolean): string => (isPaused === isStill() ? (isPaused ? "0" : "1") : "");
