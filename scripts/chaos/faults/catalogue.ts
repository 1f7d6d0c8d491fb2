import type { FaultDefinition } from "./fault.js";
import { LINK_FAULTS } from "./links.js";
import { PROCESS_FAULTS } from "./processes.js";
import { STORE_FAULTS } from "./stores.js";

const FAULTS = { ...PROCESS_FAULTS, ...STORE_FAULTS, ...LINK_FAULTS };
export type FaultName = keyof typeof FAULTS;
export const FAULT_NAMES = Object.keys(FAULTS) as FaultName[];

export const definitionOf = (name: FaultName): FaultDefinition => FAULTS[name];

/** Whether the links between the processes have to go through proxies: without them a dead process refuses connections. */
export const isOnLinks = (name: FaultName): boolean => Object.hasOwn(LINK_FAULTS, name);

export const isMadeOn = (name: FaultName, nodes: number): boolean => nodes >= (definitionOf(name).nodesMin ?? 3);

/** What rounds make unless they are told otherwise: kills, pauses, and changes of the leader. */
export const ROUND_FAULTS = FAULT_NAMES.filter(
  (name) => Object.hasOwn(PROCESS_FAULTS, name) || name === "mongod-kill" || name === "mongod-pause",
);

/** What real processes on one machine, without its administrator, cannot be made to suffer. */
export const NOT_MADE_HERE = {
  "power-loss": "writes that were not flushed are lost only with the machine, not with a process",
  "fsync-error": "needs a file system made to fail",
  "clock-step": "all processes of a machine share its clock",
  "disk-full": "needs a volume of its own; the watch that comes before it is struck by disk-low",
} as const;
