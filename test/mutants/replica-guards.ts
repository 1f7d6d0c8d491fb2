import type { Scenario } from "./mutant.js";

/** Tests, and guards of a start and of storage operations with a mistake in which they fail, while no seed sees it. */
export const REPLICA_GUARDS: readonly (readonly [Scenario, readonly string[]])[] = [
  [
    {
      file: "node/replica/compare-entries.test.ts",
      test: "misses none of its own terms where an entry says that it has too many",
    },
    ["node/replica/compare-entries.ts: places.has(toHex(WIDE))"],
  ],
  [
    {
      file: "node/replica/driver.test.ts",
      test: "has no replica while something is done beside it, nor a write under way, and recovers from what is there then",
    },
    ["node/replica/recovery-loop.ts: parts.first !== undefined"],
  ],
  [
    {
      file: "node/replica/memory.test.ts",
      test: "a log of one node does not go on where its memory is in doubt: nobody could admit it anew",
    },
    ["node/replica/memory.ts: lost !== null && options.memberCount === 1"],
  ],
  [
    { file: "node/replica/memory.test.ts", test: "is lost where its database holds none for the term of the last one" },
    [
      "node/replica/memory.ts: opened.hardState.term === identity.votedTerm && opened.hardState.votedFor === null && identity.votedTerm > 0",
    ],
  ],
  [
    {
      file: "node/replica/memory.test.ts",
      test: "is lost where its database names another node than this process voted for",
    },
    [
      "node/replica/memory.ts: opened.hardState.term === term && votedFor !== null && opened.hardState.votedFor !== votedFor",
    ],
  ],
  [
    {
      file: "node/replica/recovery-loop.test.ts",
      test: "ends without a word when its node stops while a recovery fails",
    },
    ["node/replica/recovery-loop.ts: isStopped()"],
  ],
  [
    {
      file: "node/replica/recovery-loop.test.ts",
      test: "recovers again where the replica that it gave is gone already",
    },
    ["node/replica/recovery-loop.ts: !parts.isOver()"],
  ],
  [
    {
      file: "node/replica/recovery.test.ts",
      test: "calls the block that it begins with sound where the link of the next one is altered, which",
    },
    [
      "node/replica/verified-tail.ts: !(isNextNamed && hasHash(next.block.header, next.block.blockHash))",
      "node/replica/verified-tail.ts: above?.block.header.previousBlockHash === next.block.blockHash",
    ],
  ],
  [
    {
      file: "node/replica/recovery.test.ts",
      test: "does not wait for blocks that are deleted while it reads: the log has to be opened again",
    },
    ["node/replica/verified-tail.ts: blocks.length === 0"],
  ],
  [
    {
      file: "node/replica/recovery.test.ts",
      test: "ends the node where it reaches into what is verified, and is called missing:",
    },
    [
      "node/replica/verified-tail.ts: isHole && (at === null || at > Math.min(highest, tailHeight - blocksMin + 1))",
      "node/replica/verified-tail.ts: next === null && header.height > at && hasHash(header, blockHash)",
    ],
  ],
  [
    {
      file: "node/replica/recovery.test.ts",
      test: "forgets which blocks an identity has noted that is lost: pages under another secret would be called altered",
    },
    [
      "node/replica/memory.ts: (identity.isNew || (identity.identity.storeId === null && opened.isStateAltered)) && !isEmpty(opened) && remembered === null",
      "node/replica/memory.ts: isOfLostIdentity(options, opened)",
      "node/replica/recovery.ts: isOfLostIdentity(options, opened)",
    ],
  ],
  [
    { file: "node/replica/recovery.test.ts", test: "holds up no start:" },
    [
      "node/replica/late-inserts.ts: at === 0 || at >= hole",
      "node/replica/late-inserts.ts: below === undefined",
      "node/replica/late-inserts.ts: hole === 1",
      "node/replica/late-inserts.ts: hole === null || options.memberCount === 1 || !(await isAsHeld(options, hole))",
      "node/replica/late-inserts.ts: i > 0 && all[i - 1] !== at + 1",
      "node/replica/late-inserts.ts: opened.hardState === null || opened.hardState.joinNonce !== admitted",
      "node/replica/recovery.ts: late !== null",
    ],
  ],
  [
    { file: "node/replica/recovery.test.ts", test: "is none if a block below is not what the node held" },
    [
      "node/replica/late-inserts.ts: (await readOne(options.log, height(at))).block.blockHash !== hash",
      "node/replica/late-inserts.ts: known === undefined",
    ],
  ],
  [
    {
      file: "node/replica/recovery.test.ts",
      test: "is none if it was altered, or if what is committed would go with it",
    },
    [
      "node/replica/late-inserts.ts: header.height <= (options.publishedHeight ?? 0) || pointsOf(options).some((point) => point.height === header.height && point.hash === blockHash)",
      "node/replica/late-inserts.ts: point.height === header.height && point.hash === blockHash",
    ],
  ],
  [
    {
      file: "node/replica/recovery.test.ts",
      test: "is none where more stands above the hole than inserts leave behind, or what stands there was altered",
    },
    [
      "node/replica/late-inserts.ts: !hasHash(block.header, block.blockHash)",
      "node/replica/late-inserts.ts: one > hole",
    ],
  ],
  [
    {
      file: "node/replica/recovery.test.ts",
      test: "is none where the block that admits this node as it is stands above the hole",
    },
    [
      'node/replica/late-inserts.ts: control?.kind === "node_admitted" && control.joinNonce === opened.hardState?.joinNonce',
    ],
  ],
  [
    {
      file: "node/replica/recovery.test.ts",
      test: "is put away by a voter, which joins anew, but for a block that it knows to be committed",
    },
    ["node/replica/late-inserts.ts: !isJoining && !areLate"],
  ],
  [
    {
      file: "node/replica/recovery.test.ts",
      test: "is one as well in a log that is being copied since its node lost it, and does not reach to the mark yet",
    },
    ["node/replica/verified-tail.ts: members.size > 0"],
  ],
  [
    { file: "node/replica/recovery.test.ts", test: "is passed over, however large:" },
    ["node/replica/verified-tail.ts: stored?.block.header.height === at"],
  ],
  [
    {
      file: "node/replica/recovery.test.ts",
      test: "makes a later process join anew, which cannot know that nothing else is gone",
    },
    [
      "node/replica/late-inserts.ts: identity.identity.mark === null",
      "node/replica/recovery.ts: isNothingLost",
      "node/replica/recovery.ts: options.remembered !== null && options.remembered.heldThrough < strayFrom",
    ],
  ],
  [
    {
      file: "node/replica/recovery.test.ts",
      test: "notes nothing for a log of one node: it joins nothing anew, and goes on once its database is back",
    },
    ["node/replica/start-findings.ts: memberCount === 1"],
  ],
  [
    {
      file: "node/replica/recovery.test.ts",
      test: "puts nothing away up to what it knows to be committed: blocks of another history in its place end the node",
    },
    [
      "node/replica/verified-tail.ts: lost?.isShorter === true || at > Math.max(identity.identity.mark?.height ?? 0, remembered?.committed.height ?? 0, publishedHeight ?? 0)",
    ],
  ],
  [
    {
      file: "node/replica/recovery.test.ts",
      test: "says nothing where the identity file is a copy of before its database was replaced",
    },
    ["node/replica/start-findings.ts: hardState !== null && previousBootCounter > identity.bootCounter + 1"],
  ],
  [
    { file: "node/replica/recovery.test.ts", test: "starts wherever an old block is" },
    [
      "node/replica/verified-tail.ts: at !== from",
      "node/replica/verified-tail.ts: isHole",
      "node/replica/verified-tail.ts: through === 1",
    ],
  ],
  [
    {
      file: "node/replica/recovery.test.ts",
      test: "takes a lost disk for one, with and without its identity, also as it is copied anew; and a database that is put in its place not",
    },
    [
      "node/replica/start-findings.ts: !isStateAltered && hardState === null",
      "node/replica/start-findings.ts: isNewDisk || isOldFile",
      "node/replica/start-findings.ts: tailHeight === 0",
    ],
  ],
  [
    {
      file: "node/replica/recovery.test.ts",
      test: "takes the database of a new node for its own after the answer to its first write was lost",
    },
    ["node/replica/memory.ts: lost === null #2"],
  ],
  [
    {
      file: "node/replica/recovery.test.ts",
      test: "tells of the first of the old blocks that its search passes over, and leaves the rest to a pass",
    },
    ["node/replica/verified-tail.ts: at === from"],
  ],
  [
    {
      file: "node/replica/recovery.test.ts",
      test: "walks over no hole in the old log, whether or not its search comes upon it",
    },
    ["node/replica/verified-tail.ts: stored !== null"],
  ],
  [
    {
      file: "node/replica/storage-operations.test.ts",
      test: "answers what others wait for when the replica goes meanwhile, and goes on with the next one's",
    },
    ["node/replica/storage-operations.ts: generation === this.generation"],
  ],
  [
    { file: "node/replica/storage-operations.test.ts", test: "ends a replica that gives out more than can wait" },
    ["node/replica/storage-operations.ts: this.waiting.length > OPERATIONS_MAX"],
  ],
  [
    {
      file: "node/replica/storage-operations.test.ts",
      test: "keeps what it knows to be committed before it truncates: nothing else in the log may say so",
    },
    ["node/replica/storage-operations.ts: known === null"],
  ],
  [
    {
      file: "node/replica/storage-operations.test.ts",
      test: "remembers nothing of a store of which no recovery has told",
    },
    ["node/replica/storage-operations.ts: this.known === null"],
  ],
  [
    {
      file: "node/replica/storage-operations.test.ts",
      test: "remembers what is durable and committed, also when what is cut was not durable",
    },
    [
      "node/replica/storage-operations.ts: known.durable.height < from",
      "node/replica/storage-operations.ts: this.known !== null",
    ],
  ],
  [
    { file: "node/replica/storage-operations.test.ts", test: "tells of no more of them once their replica is gone" },
    ["node/replica/storage-operations.ts: generation !== this.generation"],
  ],
  [
    {
      file: "node/replica/storage-operations.test.ts",
      test: "writes blocks alone after a write that failed, then half as many together as before, and one more each time",
    },
    ["node/replica/storage-operations.ts: this.aloneFor > 0 #2", "node/replica/storage-operations.ts: written > 0"],
  ],
  [
    { file: "node/replica/storage-operations.test.ts", test: "writes what is large in parts" },
    ["node/replica/storage-operations.ts: blocks.length > 0 && bytes > BATCH_BYTES_MAX"],
  ],
  [
    {
      file: "node/replica/stray.test.ts",
      test: "a block of another history may call all of this log committed above a hole, and not in the place after it",
    },
    ["node/replica/stray.ts: header.height === before.height + 1", "node/replica/stray.ts: isBesideOther"],
  ],
  [
    {
      file: "node/replica/verified-tail.test.ts",
      test: "knows no members without a genesis, and since when one has its store",
    },
    [
      'node/replica/verified-tail.ts: clusterId === ""',
      'node/replica/verified-tail.ts: control?.kind === "node_admitted" && members.get(control.node)?.storeId !== control.storeId',
    ],
  ],
  [
    { file: "node/replica/verified-tail.test.ts", test: "reads a block, and not the one above it where it is gone" },
    [
      "node/replica/verified-tail.ts: stored !== undefined && stored.block.header.height === at",
      "node/replica/verified-tail.ts: stored === undefined",
    ],
  ],
];
