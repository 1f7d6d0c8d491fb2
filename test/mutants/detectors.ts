import { ANCHORS, MEMORY_LOG, type Mutant, one } from "./mutant.js";

const WATCH = "node/integrity/watch.ts";
const SCRUB = "node/integrity/scrub.ts";
const INSPECTOR = "node/integrity/inspector.ts";
const ENTRIES = "node/integrity/entry-inspector.ts";
const UNPROVED = "node/integrity/unproved.ts";
const STRANGERS = "node/integrity/stranger-watch.ts";
const DIFFERENCE = "node/integrity/difference.ts";
const OWN = "node/integrity/own-difference.ts";
const PEERS = "node/integrity/peer-blocks.ts";
const INCIDENTS = "node/integrity/incidents.ts";
const ALERTS = "node/integrity/alerts.ts";
const HEADS = "node/service/head-exchange.ts";
const PROVED = "node/replica/proved-blocks.ts";

/** A detector with a mistake, and the test beside it that fails then, which is quicker than the seeds that run watch and scrub. */
export const detector = (
  mutant: Mutant,
  test: string,
  file = (mutant.patches[0]?.file ?? "").replace(/\.ts$/, ".test.ts"),
): Mutant => ({
  ...mutant,
  scenario: { file, test },
  isUnseen: true,
});

/** 80 to 99, 133 and 134: what is to find tampering does not, or tells of it wrongly. */
export const DETECTORS: readonly Mutant[] = [
  detector(
    one(
      "80",
      "the watch looks at no block",
      WATCH,
      'if (place.kind === "block") this.parts.suspect(place.at, this.suspicionOf(place.at, change));',
      'if (place.kind === "marker" && place.at > 0) this.parts.suspect(place.at, this.suspicionOf(place.at, change));',
    ),
    "begins where the last process stopped",
  ),
  detector(
    one(
      "81",
      "the watch skips replaced documents",
      WATCH,
      "if (GONE.has(operation)) this.tellGone(change);",
      'if (operation === "replace") continue;\n      if (GONE.has(operation)) this.tellGone(change);',
    ),
    "takes a replaced document for written as a whole",
  ),
  detector(
    one(
      "81b",
      "the watch takes no notice of what a replaced document was",
      "node/integrity/suspicion-of.ts",
      'operation === "replace" ? [WHOLE_DOCUMENT] : []',
      'operation === "replaced" ? [WHOLE_DOCUMENT] : []',
    ),
    "takes a replaced document for written as a whole",
    "node/integrity/watch.test.ts",
  ),
  detector(
    one(
      "82",
      "the watch begins at now",
      WATCH,
      "await this.parts.store.changes(this.place)",
      "await this.parts.store.changes(null)",
    ),
    "begins where the last process stopped",
  ),
  detector(
    one(
      "83",
      "the watch takes what stands in the state for what this node wrote",
      WATCH,
      '      if (fault !== null) this.note("state_altered", at, fault);\n',
      "",
    ),
    "judges state, anchors, evidence, alerts and the marker",
  ),
  detector(
    one(
      "84",
      "the scrub tells nobody of what does not verify",
      SCRUB,
      'await inspect(at, at, { foundBy: "scrub", ',
      'void ({ foundBy: "scrub", ',
    ),
    "goes on past what it finds, and finds all of it",
  ),
  detector(
    one(
      "85",
      "a scrub begins anew at each start",
      SCRUB,
      "scrub !== null && scrub.height > 0",
      "scrub !== null && scrub.height < 0",
    ),
    "goes on where it was after a restart",
  ),
  detector(
    one(
      "86",
      "the scrub takes a sealed block for the committed one: a signature for a proof",
      UNPROVED,
      "  block.blockHash === blockHash && rangeMatches(",
      '  blockHash !== "" && rangeMatches(',
    ),
    "finds a block that was exchanged for a sound one of another history",
    "node/integrity/scrub.test.ts",
  ),
  detector(
    one(
      "87",
      "the scrub leaves the stored tree out",
      UNPROVED,
      "=== blockHash && rangeMatches({ size: block.header.treeSize, hashes: frontier }, block.header);",
      "=== blockHash && frontier !== null;",
    ),
    "goes on past what it finds, and finds all of it",
    "node/integrity/scrub.test.ts",
  ),
  detector(
    one(
      "88",
      "a read believes a body that the header does not name",
      PROVED,
      "if (bodyHash(block) !== block.header.bodyHash) throw",
      'if (bodyHash(block) === "") throw',
    ),
    "does not let an altered or missing block spoil others",
  ),
  detector(
    {
      id: "89",
      what: "an anchor is believed without its HMAC",
      patches: [
        {
          file: MEMORY_LOG,
          find: "return found.mac === this.self.stateMac(anchorPage(found.clusterId, page, found.hashes))",
          replace: "return found.mac !== null",
        },
        {
          file: "node/storage/mongo/anchors.ts",
          find: "return mac === this.macOf(anchorPage(clusterId, page, bytes)) ? bytes : null;",
          replace: "return mac === null ? null : bytes;",
        },
      ],
    },
    "walks anew what somebody else wrote as a page",
    ANCHORS.replace(/\.ts$/, ".test.ts"),
  ),
  detector(
    one(
      "90",
      "a peer's block is believed for its own hash",
      PEERS,
      "isBlock(decoded, committed) ?",
      "isBlock(decoded, decoded.blockHash) ?",
    ),
    "believes a block for its hash alone",
  ),
  detector(
    one(
      "91",
      "a peer calls its block sound without looking",
      PEERS,
      "found !== undefined && isBlock(found.block, blockHash)",
      "found !== undefined && blockHash !== null",
    ),
    "gives its own block only where it is the committed one",
  ),
  detector(
    one(
      "92",
      "what is stored is compared with itself",
      INSPECTOR,
      "blockDifference(found, { block: sound,",
      "blockDifference(found, { block: found.block,",
    ),
    "keeps what was there, and names event, field",
  ),
  detector(
    one(
      "93",
      "a change that was put back is forgotten",
      INSPECTOR,
      "if (difference === null && written.length === 0) return null;",
      "if (difference === null) return null;",
    ),
    "tells of a write that was put back",
  ),
  detector(
    one(
      "94",
      "blocks that are missing are not missed",
      INSPECTOR,
      "    await this.judgeMissing(missing.filter(([at]) => at <= held));",
      "    await this.judgeMissing(missing.filter(([at]) => at > held));",
    ),
    "tells of neighbours that are missing as one",
  ),
  detector(
    one(
      "95",
      "a type is left out of a comparison",
      DIFFERENCE,
      '["id", "eventType", "timestamp",',
      '["id", "timestamp",',
    ),
    "a type",
  ),
  detector(
    one(
      "95b",
      "a signature is left out of a comparison",
      DIFFERENCE,
      "if (!equalBytes(block.signature, sound.signature))",
      "if (block.signature === null)",
    ),
    "a signature",
  ),
  detector(
    one(
      "95c",
      "a header is left out of a comparison",
      DIFFERENCE,
      'return jsonDifferences("header", rawHeader as JsonValue,',
      'return jsonDifferences("header", sound as unknown as JsonValue,',
    ),
    "a header's term",
  ),
  detector(
    one(
      "96",
      "an index entry is not compared",
      ENTRIES,
      "found !== undefined : isOther(found, { block, entry });",
      "found !== undefined : false;",
    ),
    "finds entries that are missing",
  ),
  detector(
    one(
      "97",
      "a document above the log's end is taken for one on its way for ever",
      STRANGERS,
      "if (!this.seen.has(id) || this.told.has(id)) continue;",
      "if (this.seen.has(id) || !this.told.has(id)) continue;",
    ),
    "tells of what stays above the log's end",
  ),
  detector(
    one(
      "98",
      "a second look closes an incident",
      INCIDENTS,
      "if (alert.kind !== kind || isOver(alert)) continue;",
      "if (isOver(alert)) continue;",
    ),
    "ends only what says that a watch is down",
  ),
  detector(
    one(
      "99",
      "an alert names the finder",
      ALERTS,
      "      node: this.parts.nodeId,\n      accused,",
      "      node: this.parts.nodeId,\n      accused: this.parts.nodeId,",
    ),
    "keeps a clock that is off as a warning",
  ),
  detector(
    one(
      "99b",
      "followers do not compare what their leaders have told them",
      HEADS,
      'if (view === null || view.isLearner || view.role === "leader") return;',
      "if (view === null || view.members.length >= 0) return;",
    ),
    "names the leader that has signed two blocks of one term and height",
  ),
  detector(
    {
      id: "133",
      what: "a peer compares what it keeps of its block in memory, and not what is stored",
      patches: [
        {
          file: PEERS,
          find: 'const PATH = "committed-block";',
          replace:
            'const PATH = "committed-block";\nconst kept: Record<number, ReturnType<IntegrityStore["blocksAt"]>> = {};',
        },
        {
          file: PEERS,
          find: "const [found] = await store.blocksAt([at]);",
          replace: "const [found] = await (kept[at] ??= store.blocksAt([at]));",
        },
      ],
    },
    "gives its own block only where it is the committed one",
  ),
  detector(
    one(
      "133b",
      "the copies of an event are compared as they are kept in memory",
      PROVED,
      "    const [stored] = await this.parts.reader.readBlocks([at], 0);\n    return this.prove(at, stored, { mayKeep: false, held });",
      "    return held < at ? this.prove(at, undefined, { mayKeep: false, held }) : this.one(at);",
    ),
    "shows what stands there now, and not what it keeps, where copies are compared",
  ),
  detector(
    one(
      "134",
      "what is not compared is called what is likeliest, whatever was found beside it",
      INSPECTOR,
      "if (sound !== null && difference !== null) alike.add(difference.kind);",
      "if (sound !== null && difference === null) alike.clear();",
    ),
    "takes of many altered",
  ),
  detector(
    one(
      "134b",
      "a link is compared with no hash that is known",
      OWN,
      "if (previousBlockHash === undefined) return [];",
      "if (previousBlockHash !== blockHash) return [];",
    ),
    "tells of many altered",
    "node/integrity/inspector.test.ts",
  ),
];
