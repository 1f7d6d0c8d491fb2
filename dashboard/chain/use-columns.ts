import { useSyncExternalStore } from "react";

/** A tile and its link, and what stands beside all tiles, in CSS pixels: with the rail, and where it is on top. */
const TILE = 100;
const BESIDE = 330;
const BESIDE_NARROW = 120;
const NARROW = 768;
const COLUMNS_MIN = 2;
const COLUMNS_MAX = 24;

function subscribe(listener: () => void): () => void {
  window.addEventListener("resize", listener);
  return () => window.removeEventListener("resize", listener);
}

function columnsNow(): number {
  const width = window.innerWidth;
  const fitting = Math.floor((width - (width <= NARROW ? BESIDE_NARROW : BESIDE)) / TILE);
  return Math.max(COLUMNS_MIN, Math.min(COLUMNS_MAX, fitting));
}

/** As many events as fit beside each other. */
export const useColumns = (): number => useSyncExternalStore(subscribe, columnsNow);
