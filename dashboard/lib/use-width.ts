import { type RefObject, useEffect, useState } from "react";

/** How wide an element is drawn, in CSS pixels. */
export function useWidth(element: RefObject<HTMLElement | null>, before = 800): number {
  const [width, setWidth] = useState(before);
  useEffect(() => {
    const { current } = element;
    if (current === null) return;
    const look = (): void => setWidth(Math.max(1, Math.floor(current.clientWidth)));
    const observer = new ResizeObserver(look);
    observer.observe(current);
    look();
    return () => observer.disconnect();
  }, [element]);
  return width;
}
