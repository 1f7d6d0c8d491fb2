import {
  ANCHORS,
  BLOCKS,
  DRIVER,
  KEEPER,
  KEYS,
  MEMORY_INDEX,
  MEMORY_LOG,
  MEMORY_READER,
  type Mutant,
  one,
  PROVED,
  TERMS,
} from "./mutant.js";

/** 50 to 52 and 54 to 56: entries beside blocks, keys that are looked up in them, and what proves a block. */
export const INDEX: readonly Mutant[] = [
  one(
    "50",
    "a truncation leaves the entries of the blocks that go",
    MEMORY_LOG,
    "        if (this.database.entries.has(at)) await this.database.write(() => dropEntry(this.database, at, writeId));\n",
    "",
  ),
  one(
    "50b",
    "an opening leaves entries of blocks that a crash did not store",
    MEMORY_INDEX,
    "  if (strays.length === 0 && !isNew) return;",
    "  strays.length = 0;\n  if (!isNew) return;",
  ),
  one(
    "51",
    "of a source only its first event of a block is indexed",
    TERMS,
    '    names.add(hash("source", record.sourceAppId), i);',
    '    if (i === 0) names.add(hash("source", record.sourceAppId), i);',
  ),
  one(
    "51b",
    "the narrower slots of time are left out of an entry",
    TERMS,
    "      if (lastSlots[level] !== slot) own.add",
    "      if (lastSlots[level] !== slot && level > 3) own.add",
  ),
  one(
    "51c",
    "names of an entry that somebody altered are not compared with those that are due",
    "node/storage/entries.ts",
    "    !equalRuns(found.index.names, entry.index.names) ||\n",
    "",
  ),
  one(
    "51d",
    "terms of its own that an entry lacks are not missed at an opening",
    "node/replica/recovery.ts",
    "    return there === undefined || !equalBytes(there, due.places[i] as Uint8Array);",
    "    return there !== undefined && !equalBytes(there, due.places[i] as Uint8Array);",
  ),
  one(
    "52",
    "after a recovery a node shows no more than that knows to be committed",
    "node/replica/committed.ts",
    "    if (at.height > this.known.height) this.moveTo(at);",
    "    this.moveTo(at);",
  ),
  one(
    "52b",
    "what a store has lost and its node has shown is called altered",
    ANCHORS,
    "  if (at <= heldThrough) return new AlteredBlock",
    "  if (at <= heldThrough || at > 0) return new AlteredBlock",
  ),
  {
    id: "54",
    what: "a key is called absent from an index that is being made anew",
    patches: [
      { file: DRIVER, find: "      if (!this.index.isWhole) throw indexLost();\n", replace: "" },
      {
        file: MEMORY_READER,
        find: "    assertWhole(this.database, this.opening);\n    const name = nameOf(term);",
        replace: "    const name = nameOf(term);",
      },
    ],
  },
  one(
    "54b",
    "a filter of keys says absent before it is filled",
    KEYS,
    "    this.isWhole = false;\n    // What is stored meanwhile",
    "    this.isWhole = true;\n    // What is stored meanwhile",
  ),
  one(
    "54c",
    "keys of blocks that are stored are not added to the filter",
    KEYS,
    "        this.suspects.push({ ...key, height: at });\n      this.filter.add(term);",
    "        this.suspects.push({ ...key, height: at });",
  ),
  one(
    "54d",
    "an index that is made anew is called whole after half of the blocks",
    KEEPER,
    "      through = heights().durable;",
    "      through = Math.ceil(heights().durable / 2);",
  ),
  one(
    "55",
    "a block is proved by the hash that stands beside it",
    PROVED,
    "if (hashHeader(block.header) !== proof.blockHash) throw",
    'if (hashHeader(block.header) !== block.blockHash || proof.blockHash === "") throw',
  ),
  one(
    "55b",
    "a block that was sealed by a member goes out to followers, whether or not it was committed",
    BLOCKS,
    "      return proof.blockHash === blockHash ? null",
    "      return proof.blockHash.length === blockHash.length ? null",
  ),
  one(
    "55c",
    "headers that are walked need not be those that the next ones name",
    ANCHORS,
    "      if (hashHeader(stored.header) !== expected)",
    '      if (hashHeader(stored.header) !== (expected === "" ? "" : (expected = stored.blockHash)))',
  ),
  {
    id: "56",
    what: "entries are stored after their blocks",
    patches: [
      {
        file: MEMORY_LOG,
        find: "      if (withEntry.length > 0) {",
        replace: "      const storeEntries = async (): Promise<void> => {",
      },
      {
        file: MEMORY_LOG,
        find: "      for (const { at } of inserts) inDoubt.delete(at);",
        replace:
          "      if (withEntry.length > 0) await storeEntries();\n      for (const { at } of inserts) inDoubt.delete(at);",
      },
    ],
  },
  one(
    "56b",
    "a truncation takes an entry away before its block",
    MEMORY_LOG,
    "        await this.database.write(() => blocks.get(at)?.writeId === writeId && blocks.delete(at));\n",
    "        if (this.database.entries.has(at)) await this.database.write(() => dropEntry(this.database, at, writeId));\n" +
      "        await this.database.write(() => blocks.get(at)?.writeId === writeId && blocks.delete(at));\n",
  ),
];
