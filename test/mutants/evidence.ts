import { detector } from "./detectors.js";
import { KEEPER, MEMORY_INDEX, type Mutant, one } from "./mutant.js";

const ENTRIES = "node/integrity/entry-inspector.ts";
const KEEPING = "node/integrity/keeping.ts";
const STRANGERS = "node/integrity/stranger-watch.ts";
const SCRUB = "node/integrity/scrub.ts";
const LOSSES = "node/replica/index-losses.test.ts";
const STORED = "node/storage/entries.ts";

const NAMED = "names the fields of an entry that differ";
const NAMED_IN = "node/integrity/entry-inspector.test.ts";

/**
 * 136 to 138: an entry that was altered, or a document that was planted, is told without its evidence, or fills the disk with it.
 * 148 and 149: what an index has lost is made anew untold, or told without a cause.
 */
export const EVIDENCE: readonly Mutant[] = [
  detector(
    one(
      "136",
      "an alert does not name the altered entry that is kept",
      ENTRIES,
      "return { differences, evidence: [kept.name], isKept: true };",
      'return { differences, evidence: kept.name === "" ? [kept.name] : [], isKept: true };',
    ),
    NAMED,
  ),
  detector(
    one(
      "136b",
      "an entry is made anew before it is kept",
      ENTRIES,
      "      if (isGivenUp(found, block.header)) continue;\n      const hasEvents",
      "      if (isGivenUp(found, block.header)) continue;\n      makeAnew(at);\n      const hasEvents",
    ),
    NAMED,
  ),
  detector(
    one(
      "136c",
      "an entry that was put right meanwhile is shown as the altered one",
      ENTRIES,
      "if (kept === null || differences.length === 0)",
      "if (kept === null)",
    ),
    "shows nothing that was put right meanwhile as evidence",
  ),
  detector(
    one(
      "136d",
      "places are left out of the fields of an entry that differ",
      STORED,
      '["runs", "terms", "places", "times"] as const)',
      '["runs", "terms", "times"] as const)',
    ),
    NAMED,
    NAMED_IN,
  ),
  detector(
    one(
      "136e",
      "an entry that lacks only terms of its own differs in no field",
      STORED,
      "if (isOwnOther(there.entry.own, due.entry.own))",
      "if (differences.length > 0 && isOwnOther(there.entry.own, due.entry.own))",
    ),
    NAMED,
    NAMED_IN,
  ),
  detector(
    one(
      "137",
      "what was planted is kept each time that it is told of",
      KEEPING,
      "    if (known !== undefined) return [known];\n",
      "",
    ),
    "keeps what was planted once",
  ),
  detector(
    one(
      "137b",
      "any number of planted documents is kept",
      KEEPING,
      "if (this.planted.size >= PLANTED_MAX) return [];",
      "if (this.planted.size < 0) return [];",
    ),
    "keeps so many of those that were planted",
  ),
  detector(
    one(
      "137c",
      "what was planted is told of without its evidence",
      STRANGERS,
      "evidence: await keeping.plantedAt(rawId, id),",
      "evidence: keeping === null ? [id] : [],",
    ),
    "keeps each document that it tells of, once",
  ),
  detector(
    one(
      "137d",
      "a pass tells of a document between two heights without its evidence",
      SCRUB,
      "const evidence = await this.parts.keeping.plantedAt(id, String(id));",
      "const evidence = this.parts.keeping === null ? [String(id)] : [];",
    ),
    "tells of documents between two heights",
  ),
  detector(
    one(
      "138",
      "what cannot be kept as evidence is not told",
      KEEPING,
      "if (this.failures >= TRIES) return null;",
      "if (this.failures >= TRIES) throw err;",
    ),
    "tries again what fails, gives up",
  ),
  detector(
    one(
      "148",
      "entries that were deleted with thousands of others are not told of",
      KEEPER,
      "this.noneMissingThrough = Number.MAX_SAFE_INTEGER;\n    this.work += 1;",
      "this.noneMissingThrough = 0;\n    this.work += 1;",
    ),
    "tells of each entry that is missing where the account still stands",
    LOSSES,
  ),
  detector(
    one(
      "149",
      "an index whose own account of itself was taken is made anew in silence",
      KEEPER,
      "    this.parts.onTaken();",
      "    if (this.standing !== null) this.parts.onTaken();",
    ),
    "tells that the index's own account is gone at an opening",
    LOSSES,
  ),
  detector(
    one(
      "149b",
      "what a work of the node's own has left is told as tampering",
      MEMORY_INDEX,
      "marker === null || (!marker.isWhole && marker.work === null)",
      "marker?.isWhole !== true",
    ),
    "tells nothing at an opening of an index that its own work has left",
    LOSSES,
  ),
  detector(
    one(
      "149c",
      "entries that were missing by right are told of where the account was taken",
      KEEPER,
      "if (wasWhole) this.noneMissingThrough",
      "if (wasWhole || this.standing === null) this.noneMissingThrough",
    ),
    "not of entries that were missing by right",
    LOSSES,
  ),
  detector(
    one(
      "149d",
      "a loss is forgotten where the store is opened again",
      KEEPER,
      "standing === null ? Math.min(this.noneMissingThrough, settled) : settled;",
      "standing === null ? 0 : settled;",
    ),
    "remembers a loss over an opening",
    LOSSES,
  ),
  detector(
    one(
      "149e",
      "entries that an opening has taken away are told of as missing",
      KEEPER,
      "standing === null ? Math.min(this.noneMissingThrough, settled) : settled;",
      "standing === null ? this.noneMissingThrough : settled;",
    ),
    "remembers a loss over an opening",
    LOSSES,
  ),
  detector(
    one(
      "149f",
      "own terms that were altered in many entries are replaced in silence",
      KEEPER,
      "isLost && this.hadOwn ? { isOwnOther: lacksOwn } : {}",
      "isLost && this.hadOwn ? { isOwnOther: () => false } : {}",
    ),
    "tells of own terms that are missing",
    LOSSES,
  ),
  detector(
    one(
      "149g",
      "own terms of paths that were left out are told as altered",
      KEEPER,
      "isLost && this.hadOwn ? { isOwnOther: lacksOwn } : {}",
      "isLost && this.hadOwn ? { ownMayDiffer: false } : {}",
    ),
    "tells of own terms that are missing",
    LOSSES,
  ),
  detector(
    one(
      "149h",
      "entries that were deleted while the node was down are made anew at its start, and nobody is told",
      "node/replica/held-log.ts",
      "noneMissingThrough: settled, onDiffering",
      "noneMissingThrough: Math.min(settled, 0), onDiffering",
    ),
    "tells at a start of an entry that was deleted while the node was down",
    "test/scenarios/index.test.ts",
  ),
];
