import { stream } from "../api/stream.js";
import { useStreamState } from "../api/use-stream.js";
import { duration } from "../lib/format.js";
import { useNow } from "../lib/use-now.js";
import { Stale } from "../parts/states.js";

/** The list is kept up to date by the stream alone. */
export function NotLive() {
  const isLost = useStreamState() === "lost";
  const now = useNow();
  if (!isLost) return null;
  const age = duration(now - stream.stateAt);
  return <Stale text={`Nothing has come live for ${age}: newer events are not here until the stream is back.`} />;
}
