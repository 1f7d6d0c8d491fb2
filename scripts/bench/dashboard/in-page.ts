/** What is run in the page: scripts, because the page's own policy allows no other code. */

export interface Passed {
  /** The sequences of all rows, in the order in which they were first in the page. */
  readonly seen: number[];
  /** How many rows were in the page at once. */
  readonly rowNodesMax: number;
}

/** Goes on only where the rows in view are drawn; it is over where the list says that it has no more. */
export const PASS_ALL = `(async () => {
  const scroller = document.querySelector("[data-scroller]");
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const seen = [];
  const known = new Set();
  let rowNodesMax = 0;
  let isOver = false;
  scroller.scrollTo({ top: 0 });
  while (!isOver) {
    await frame();
    const rows = [...scroller.querySelectorAll("[data-sequence]")];
    rowNodesMax = Math.max(rowNodesMax, rows.length);
    const bottom = Math.max(...rows.map((row) => row.getBoundingClientRect().bottom));
    const isAtEnd = scroller.scrollTop + scroller.clientHeight >= scroller.scrollHeight - 1;
    // Below the last row there is what the list says of its end: where that is in view, no row is to come.
    const rowsEnd = rows[0]?.parentElement.getBoundingClientRect().bottom ?? Infinity;
    if (!isAtEnd && bottom < Math.min(scroller.getBoundingClientRect().bottom, rowsEnd) - 1) continue;
    const fresh = rows.map((row) => Number(row.dataset.sequence)).filter((sequence) => !known.has(sequence));
    for (const sequence of fresh.sort((a, b) => b - a)) {
      known.add(sequence);
      seen.push(sequence);
    }
    isOver = isAtEnd && fresh.length === 0 && scroller.textContent.includes("This is the beginning.");
    scroller.scrollBy({ top: Math.floor(scroller.clientHeight * 0.8) });
  }
  scroller.scrollTo({ top: 0 });
  return { seen, rowNodesMax };
})()`;

/** When the page's heading was there, its stream was live, and the last long task before that was over, in milliseconds. */
export const NOTE_INTERACTIVE = `(() => {
  const noted = { heading: null, live: null, longTaskEnd: 0 };
  window.noted = noted;
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) noted.longTaskEnd = Math.max(noted.longTaskEnd, startTime + duration);
  }).observe({ type: "longtask", buffered: true });
  const look = () => {
    if (noted.heading === null && document.querySelector("main h1") !== null) noted.heading = performance.now();
    if (noted.live === null && document.querySelector('[data-stream="live"]') !== null) noted.live = performance.now();
    if (noted.heading === null || noted.live === null) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})()`;

/** Milliseconds between two frames, each. */
export const RECORD_FRAMES = `(() => {
  const frames = [];
  window.frameTimes = frames;
  let last = performance.now();
  const next = (now) => {
    frames.push(now - last);
    last = now;
    requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
})()`;
