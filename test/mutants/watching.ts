import { type Mutant, one } from "./mutant.js";

const watched = (mutant: Mutant): Mutant => ({ ...mutant, profile: "tamper" });

/** 155 to 161: what looks after a node's database is broken, and seeds in which somebody alters databases notice it. */
export const WATCHING: readonly Mutant[] = [
  one(
    "155",
    "a watch forgets at each start where it was",
    "node/integrity/integrity.ts",
    "from: places.places.watch,",
    "from: null,",
  ),
  one(
    "156",
    "a pass ends in the middle of the log",
    "node/integrity/scrub.ts",
    "      end ??= held;",
    "      end ??= height(Math.ceil(held / 2));",
  ),
  one(
    "157",
    "what was missed is verified as soon as the watch is live again",
    "node/integrity/passes.ts",
    "    if (this.due === 0 || !isFromNow) return;",
    "    this.setPending(false);\n    if (this.due === 0 || !isFromNow) return;",
  ),
  one(
    "157b",
    "what was missed is forgotten by the next start",
    "node/integrity/passes.ts",
    "    places.set({ isBlind: true });",
    "    places.set({ isBlind: false });",
  ),
  one(
    "158",
    "a damaged node campaigns like any other",
    "node/service/served-replica.ts",
    "    return this.hasInvalidBlock || !this.ports.mayLead() || this.driver.log.isIndexGone;",
    "    return !this.ports.mayLead() || this.driver.log.isIndexGone;",
  ),
  one(
    "159",
    "the watch takes no notice of index entries",
    "node/integrity/watch.ts",
    'if (place.kind === "entry") entries.set(place.at, at);',
    'if (place.kind === "entry" && place.at < 0) entries.set(place.at, at);',
  ),
  one(
    "160",
    "an alert names the block before the one that was altered",
    "node/integrity/inspector.ts",
    "      foundBy,\n      heights: [at, at],",
    "      foundBy,\n      heights: [at - 1, at - 1],",
  ),
  one(
    "161",
    "changes of this node's own state are taken for somebody else's",
    "node/integrity/watch.ts",
    '      if (fault !== null) this.note("state_altered", at, fault);',
    '      this.note("state_altered", at, fault ?? "it was written");',
  ),
].map(watched);
