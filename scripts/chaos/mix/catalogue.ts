import type { FaultDefinition } from "./fault.js";
import { NETWORK_FAULTS } from "./network-faults.js";
import { PROCESS_FAULTS } from "./process-faults.js";
import { STORE_FAULTS } from "./store-faults.js";

export const FAULTS = { ...PROCESS_FAULTS, ...STORE_FAULTS, ...NETWORK_FAULTS };
export type FaultName = keyof typeof FAULTS;
export const FAULT_NAMES = Object.keys(FAULTS) as FaultName[];

export const definitionOf = (name: FaultName): FaultDefinition => FAULTS[name];

/** What real processes on one machine, without its administrator, cannot be made to suffer. */
export const NOT_MADE_HERE = {
  "power-loss": "writes that were not flushed are lost only with the machine, not with a process",
  "fsync-error": "needs a file system made to fail",
  "clock-step": "all processes of a machine share its clock",
  "disk-full": "needs a volume of its own; the watch that comes before it is struck by disk-low",
} as const;
export type NotMadeHere = keyof typeof NOT_MADE_HERE;
