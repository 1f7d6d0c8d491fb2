import type { Logger } from "pino";
import type { LogService } from "../../service/log-port.js";
import type { BodyRoom } from "../body-room.js";
import type { ReadGates } from "../middleware/read-gate.js";

/** What every router is made from. */
export interface RouteContext extends LogService {
  readonly logger: Logger;
  readonly eventBytesMax: number;
  /** Milliseconds since 1970: the timestamp of events that bring none. */
  readonly now: () => number;
  readonly version: string;
  readonly gates: ReadGates;
  readonly bodies: BodyRoom;
}

/** What one list of events may have under way: a part that is being made, and one that its client takes. */
export const LIST_BYTES = 1024 * 1024;

/**
 * How many raw bytes one event's request may have: white space and \u escapes make a body larger than the compact
 * JSON that is counted at the door.
 */
export const eventRequestBytesMax = ({ eventBytesMax }: RouteContext): number => 4 * eventBytesMax;
