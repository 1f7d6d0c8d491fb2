import { useRef } from "react";

/** The value as it was when it was last not held; nothing is held before there is a value. */
export function useHeld<T>(value: T, isHeld: boolean): T {
  const kept = useRef(value);
  if (!isHeld || kept.current === undefined || kept.current === null) kept.current = value;
  return kept.current;
}
