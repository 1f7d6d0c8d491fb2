import { expect, it } from "vitest";
import type { EventView } from "../../shared/log/event.js";
import { type EventSource, Feed } from "./feed.js";

const event = (sequence: number, eventType = "a"): EventView => ({ sequence, eventType }) as EventView;

/** A stream whose place is known from `keptFrom` on. */
class Source implements EventSource {
  readonly kept: EventView[] = [];
  private readonly listeners = new Set<{ onEvents(events: readonly EventView[]): void }>();
  constructor(public keptFrom: number | null) {}
  since(sequence: number): EventView[] | null {
    return this.keptFrom === null || sequence < this.keptFrom ? null : this.kept.slice(sequence - this.keptFrom);
  }
  subscribe(listener: { onEvents(events: readonly EventView[]): void }): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  come(...events: EventView[]): void {
    this.kept.push(...events);
    for (const { onEvents } of this.listeners) onEvents(events);
  }
}
const all = (): boolean => true;
const shown = ({ state }: Feed): number[] => state.shown.map(({ sequence }) => sequence);

it("shows what comes behind the page that was loaded, the newest first, each once", () => {
  const source = new Source(10);
  source.come(event(10), event(11));
  // The page was loaded when the log had 11 events: event 10 is in it, event 11 is not.
  const feed = new Feed(11, all, source);
  expect(shown(feed)).toEqual([11]);
  source.come(event(12), event(13));
  expect(shown(feed)).toEqual([13, 12, 11]);
});

it("leaves out what came before the page, where the stream is behind it", () => {
  const source = new Source(5);
  const feed = new Feed(7, all, source);
  source.come(event(5), event(6), event(7));
  expect(shown(feed)).toEqual([7]);
});

it("asks for another page where the stream does not keep what came in between", () => {
  expect(new Feed(3, all, new Source(5)).state.mustReload).toBe(true);
});

it("begins as soon as the stream knows its place", () => {
  const source = new Source(null);
  const feed = new Feed(5, all, source);
  source.keptFrom = 5;
  source.come();
  source.come(event(5));
  expect(shown(feed)).toEqual([5]);
});

it("counts while it is held, and then shows all of it without a gap", () => {
  const source = new Source(0);
  const feed = new Feed(0, ({ eventType }) => eventType === "a", source);
  feed.hold(true);
  source.come(event(0), event(1, "b"), event(2));
  expect([shown(feed), feed.state.heldCount]).toEqual([[], 2]);
  feed.hold(false);
  expect([shown(feed), feed.state.heldCount]).toEqual([[2, 0], 0]);
});

it("asks for another page where more came than it holds", () => {
  const source = new Source(0);
  const feed = new Feed(0, all, source);
  feed.hold(true);
  for (let i = 0; i < 3; i++) source.come(...Array.from({ length: 1_000 }, (_, k) => event(1_000 * i + k)));
  expect([feed.state.heldCount, feed.state.mustReload]).toEqual([3_000, false]);
  feed.hold(false);
  expect([shown(feed), feed.state.mustReload]).toEqual([[], true]);
});

it("hears nothing any more once it has stopped", () => {
  const source = new Source(0);
  const feed = new Feed(0, all, source);
  feed.stop();
  source.come(event(0));
  expect(shown(feed)).toEqual([]);
});
