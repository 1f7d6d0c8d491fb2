import { useSyncExternalStore } from "react";

/** The page's state stands behind the `#`: as a path with a query. So it works wherever the page itself stands. */
const whole = (): string => {
  const text = window.location.hash.replace(/^#/, "");
  return text.startsWith("/") ? text : `/${text}`;
};
const pathNow = (): string => whole().split("?")[0] as string;
const searchNow = (): string => whole().split("?").slice(1).join("?");

const listeners = new Set<() => void>();
const tellAll = (): void => {
  for (const listener of listeners) listener();
};
window.addEventListener("hashchange", tellAll);

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function navigate(to: string, { replace = false }: { readonly replace?: boolean } = {}): void {
  window.history[replace ? "replaceState" : "pushState"](null, "", `#${to}`);
  tellAll();
}

export const useHashPath = (): [string, typeof navigate] => [useSyncExternalStore(subscribe, pathNow), navigate];
export const useHashSearch = (): string => useSyncExternalStore(subscribe, searchNow);

/** The parameters behind the `#`, and how to change some of them; an empty text removes one. */
export function useParameters(): {
  readonly parameters: URLSearchParams;
  change(values: Readonly<Record<string, string>>, options?: { readonly replace?: boolean }): void;
} {
  const parameters = new URLSearchParams(useHashSearch());
  return {
    parameters,
    change(values, options) {
      // As they are now: what was drawn earlier and not since must not bring others back.
      const next = new URLSearchParams(searchNow());
      for (const [name, value] of Object.entries(values)) {
        if (value === "") next.delete(name);
        else next.set(name, value);
      }
      const text = next.toString();
      navigate(`${pathNow()}${text === "" ? "" : `?${text}`}`, options);
    },
  };
}
