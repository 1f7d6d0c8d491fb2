import { parentPort, workerData } from "node:worker_threads";
import { inMacrotask } from "./drain.js";
import { PROFILE_NAMES } from "./profiles.js";
import { simulate } from "./simulation.js";
import { noteError } from "./violation.js";

declare global {
  /** The source is changed so that each of its guards notes here how it came out: that it held, and that it did not, as bits. */
  var guardsSeen: Map<string, number> | undefined;
}

process.on("unhandledRejection", noteError);

/** Runs seeds of all profiles, and tells how the guards came out. */
const { first, count } = workerData as { first: number; count: number };
globalThis.guardsSeen = new Map();
for (let seed = first; seed < first + count; seed++) {
  const profile = PROFILE_NAMES[seed % PROFILE_NAMES.length] ?? "mixed";
  await inMacrotask(() => simulate({ seed, profile }));
}
parentPort?.postMessage(globalThis.guardsSeen);
