import { parentPort, workerData } from "node:worker_threads";
import { inMacrotask } from "./drain.js";
import type { ProfileName } from "./profiles.js";
import { type Failure, simulate } from "./simulation.js";
import { noteError } from "./violation.js";

process.on("unhandledRejection", noteError);

/** Runs seeds until one breaks a property; a run that ends in an exception of its own does not count. */
export interface Kill {
  readonly seeds: number;
  readonly failure: Failure | null;
  /** Runs that ended in an exception. */
  readonly exceptions: number;
}

const { seedsMax, profile } = workerData as { seedsMax: number; profile: ProfileName };
let exceptions = 0;
let kill: Kill | null = null;
for (let seed = 1; seed <= seedsMax && kill === null; seed++) {
  const { failure } = await inMacrotask(() => simulate({ seed, profile }));
  if (failure?.property === "exception") exceptions += 1;
  else if (failure !== null) kill = { seeds: seed, failure, exceptions };
}
parentPort?.postMessage(kill ?? { seeds: seedsMax, failure: null, exceptions });
