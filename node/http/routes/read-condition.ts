import type { ReadCondition } from "../../service/log-port.js";
import type { QueryReader } from "./query.js";

export const READ_PARAMETERS = ["minSequence", "consistency"];

/** What our own API's reads may ask for: to see an event that the client knows of, or all that were acknowledged. */
export function readCondition(query: QueryReader): ReadCondition {
  const minSequence = query.sequence("minSequence");
  const consistency = query.text("consistency");
  if (consistency !== undefined && consistency !== "linearizable")
    query.fail("consistency", "must be linearizable, or be left out");
  return {
    ...(minSequence === undefined ? {} : { minSequence }),
    ...(consistency === undefined ? {} : { isLinearizable: true }),
  };
}
