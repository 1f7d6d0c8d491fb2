import { useParameters } from "../lib/hash-location.js";
import { Button } from "../parts/button.js";
import { FirstEvent } from "../parts/first-event.js";
import { Empty } from "../parts/states.js";
import { type Condition, shortName } from "./filter.js";

/** Why nothing is shown, and what to press. */
export function NoEvents({
  conditions,
  isCleared,
}: {
  readonly conditions: readonly Condition[];
  readonly isCleared: boolean;
}) {
  const { change } = useParameters();
  if (isCleared) return <Empty title="The list is cleared">New events come here as they are committed.</Empty>;
  if (conditions.length === 0)
    return (
      <Empty title="The log has no events yet">
        <FirstEvent />
      </Empty>
    );
  return (
    <Empty title="No events match">
      <p>Take a condition away; new events that match come here as they are committed.</p>
      {conditions.map(({ name, text }) => (
        <Button key={name} onClick={() => change({ [name]: "" })}>
          Clear {shortName(name)}:{text}
        </Button>
      ))}
    </Empty>
  );
}
