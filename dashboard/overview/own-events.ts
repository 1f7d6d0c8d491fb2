import { DEMO_SOURCES } from "../../shared/demo.js";
import type { EventView } from "../../shared/log/event.js";

const ofDemo: ReadonlySet<string> = new Set(DEMO_SOURCES);

/** Whether any of these was logged by somebody, and not only to fill the log for a demonstration. */
export const hasOwnEvent = (events: readonly EventView[]): boolean =>
  events.some(({ sourceAppId }) => !ofDemo.has(sourceAppId));
