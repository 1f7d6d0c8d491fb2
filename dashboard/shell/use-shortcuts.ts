import { useEffect } from "react";
import { navigate } from "../lib/hash-location.js";
import { arePageKeysOn } from "../lib/page-keys.js";
import { PAGES } from "./pages.js";

/** So long after `g` its second key counts. */
const SECOND_KEY_MS = 1_500;

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]");

/** `g` and a letter open a page, `?` the help, `/` goes to the page's search; none of them where they are turned off. */
export function useShortcuts({ onHelp }: { readonly onHelp: () => void }): void {
  useEffect(() => {
    let startedAt = Number.NEGATIVE_INFINITY;
    const onKey = (event: KeyboardEvent): void => {
      if (!arePageKeysOn() || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      const isSecond = event.timeStamp - startedAt < SECOND_KEY_MS;
      startedAt = event.key === "g" && !isSecond ? event.timeStamp : Number.NEGATIVE_INFINITY;
      const page = isSecond ? PAGES.find(({ key }) => key === event.key) : undefined;
      if (page !== undefined) navigate(page.path);
      else if (event.key === "?") onHelp();
      else if (event.key === "/") document.querySelector<HTMLElement>("[data-search]")?.focus();
      else return;
      event.preventDefault();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [onHelp]);
}
