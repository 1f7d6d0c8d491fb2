import { ANSWERS } from "./answers.js";
import { DETECTORS } from "./detectors.js";
import { ELECTIONS } from "./elections.js";
import { EVIDENCE } from "./evidence.js";
import { FACTS } from "./facts.js";
import { FORWARDING } from "./forwarding.js";
import { INDEX } from "./index.js";
import { LEADERSHIP } from "./leadership.js";
import { LIES } from "./lies.js";
import { MEMBERSHIPS } from "./memberships.js";
import type { Mutant } from "./mutant.js";
import { REFUSALS } from "./refusals.js";
import { REPAIRS } from "./repairs.js";
import { REPEATS } from "./repeats.js";
import { REPLACED } from "./replaced.js";
import { REPLICATION_AND_COMMIT } from "./replication.js";
import { SHARED_DISKS } from "./shared-disks.js";
import { STANDSTILLS } from "./standstills.js";
import { STARTS } from "./starts.js";
import { STORAGE } from "./storage.js";
import { WATCHING } from "./watching.js";

/**
 * The product broken in the ways in which replicated logs have been broken before, one way each. Numbers are those of
 * the list that docs/reliability.md shows; a letter is a second form of the same mistake.
 */
export const MUTANTS: readonly Mutant[] = [
  ...ELECTIONS,
  ...REPLICATION_AND_COMMIT,
  ...LEADERSHIP,
  ...STORAGE,
  ...REPEATS,
  ...INDEX,
  ...ANSWERS,
  ...LIES,
  ...MEMBERSHIPS,
  ...FORWARDING,
  ...DETECTORS,
  ...REPAIRS,
  ...STARTS,
  ...STANDSTILLS,
  ...FACTS,
  ...EVIDENCE,
  ...REPLACED,
  ...REFUSALS,
  ...SHARED_DISKS,
  ...WATCHING,
];
