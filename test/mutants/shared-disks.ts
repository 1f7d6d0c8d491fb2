import type { Mutant } from "./mutant.js";

/** 145: who waits for a database that others use as well. */
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
      test: "goes on with writes, new keys among them, while readers that hang fill their pool",
    },
    isUnseen: true,
  },
];
