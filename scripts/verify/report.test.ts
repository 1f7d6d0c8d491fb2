import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Progress } from "./report.js";

beforeEach(() => {
  vi.useFakeTimers({ now: 10_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

function shownOn(isTTY: boolean): string {
  const written: string[] = [];
  const stream = { isTTY, write: (text: string) => written.push(text) } as unknown as NodeJS.WriteStream;
  const progress = new Progress(stream);
  for (const done of [0, 10, 20, 30]) {
    vi.advanceTimersByTime(150);
    progress.show(done, 40, "blocks");
  }
  progress.end();
  return written.join("");
}

it("shows on a terminal how far it has come, five times a second at most, and leaves the line empty", () => {
  expect(shownOn(true)).toBe("\r  10 of 40 blocks (25 %) \u001b[K\r  30 of 40 blocks (75 %) \u001b[K\r\u001b[K");
});

it("shows nothing where there is no terminal", () => {
  expect(shownOn(false)).toBe("");
});
