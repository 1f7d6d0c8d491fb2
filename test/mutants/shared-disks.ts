import { type Mutant, one } from "./mutant.js";

/** 145 to 147: who shares a database, or a folder, with others. */
export const SHARED_DISKS: readonly Mutant[] = [
  {
    id: "145",
    what: "look-ups of keys, which writes wait for, take the connections of clients' reads",
    patches: [
      { file: "node/storage/open.ts", find: "new MongoKeys(keys)", replace: "new MongoKeys(reads)" },
      {
        file: "test/sim/storage.ts",
        find: "slowKeys(new MemoryKeys(database, inner), keys)",
        replace: "slowKeys(new MemoryKeys(database, inner), reads)",
      },
    ],
    scenario: {
      file: "test/scenarios/pools.test.ts",
      test: "goes on with writes, with new keys and repeated ones, while readers that hang",
    },
    isUnseen: true,
  },
  {
    ...one(
      "146",
      "the owner of the database is not read after a pause",
      "node/replica/owner-check.ts",
      "return this.isUnderWay || this.options.clock.now() - this.lastTickAt > this.options.pauseMs;",
      "return this.isUnderWay;",
    ),
    scenario: {
      file: "test/scenarios/two-processes.test.ts",
      test: "are one soon",
    },
    isUnseen: true,
  },
  {
    ...one(
      "147",
      "a process writes its identity over that of a later one",
      "node/storage/identity.ts",
      "    await this.assertNewest();\n",
      "",
    ),
    scenario: { file: "node/storage/identity.test.ts", test: "is not written any more by a process of before" },
    isUnseen: true,
  },
];
