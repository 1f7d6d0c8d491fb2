import { useEffect, useRef, useState } from "react";
import type { EventView } from "../../shared/log/event.js";
import { many } from "../lib/format.js";

/** A screen reader is told of new events together, and not more often than this. */
const TELL_EVERY_MS = 5_000;

export function TailLog({ newest, isPaused }: { readonly newest: EventView | undefined; readonly isPaused: boolean }) {
  const [text, setText] = useState("");
  const told = useRef<number | null>(null);
  const latest = useRef(newest);
  latest.current = newest;
  useEffect(() => {
    const timer = setInterval(() => {
      const event = latest.current;
      if (event === undefined || isPaused) return;
      if (told.current !== null && event.sequence > told.current)
        setText(`${many(event.sequence - told.current, "new event")} in the log, the newest: ${event.eventType}`);
      told.current = event.sequence;
    }, TELL_EVERY_MS);
    return () => clearInterval(timer);
  }, [isPaused]);
  return (
    <span className="offscreen" role="log" aria-label="New events">
      {text}
    </span>
  );
}
