import { ELECTIONS_AND_REPLICATION } from "./elections-and-replication.js";
import { LEADERSHIP_AND_STORAGE } from "./leadership-and-storage.js";
import type { Mutant } from "./mutant.js";

/**
 * The product broken in the ways in which replicated logs have been broken before, one way each. Numbers are those of
 * the list that docs/reliability.md shows; a letter is a second form of the same mistake.
 */
export const MUTANTS: readonly Mutant[] = [...ELECTIONS_AND_REPLICATION, ...LEADERSHIP_AND_STORAGE];
