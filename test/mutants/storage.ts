import {
  ADMISSION,
  BLOCKS,
  CONFLICT,
  CORE,
  DRIVER,
  ELECTION,
  FOLLOWER,
  FOUNDING,
  LEADER,
  LEADER_STATE,
  MEMORY,
  type Mutant,
  one,
  QUORUM,
  READ_INDEX,
  RECOVERY,
  REPLICA,
  REPLICATION,
  TAIL,
  TAKEOVER,
  TIMEOUTS,
  VOTE,
} from "./mutant.js";

/** 28 to 46 and 59 to 65: damaged and lost storage, learners and joins, recovery, what is sent and refused. */
export const STORAGE: readonly Mutant[] = [
  one(
    "28",
    "another block at the height is taken for the one inserted",
    "test/doubles/memory-inserts.ts",
    "if (isSentBefore && there.writeId === writeId) return false;",
    "if (at > 0) return false;",
  ),
  one(
    "29",
    "a damaged block is answered as one that is not there",
    BLOCKS,
    "        this.parts.onInvalidBlock(block.header.height, fault);\n        break;",
    "        break;",
  ),
  one(
    "29b",
    "the log is taken to end below a damaged block",
    TAIL,
    "if (next === null) throw invalidLog(options, at, verdict.detail, KINDS[verdict.fault]);",
    "if (next === null) return { base, tail, ids, idsFrom, campaignsLate };",
  ),
  {
    id: "30",
    what: "signatures are not checked on catching up",
    patches: [
      {
        file: CONFLICT,
        find: 'import type { ChainState } from "../shared/log/chain.js";',
        replace: 'import { type ChainState, verifyBlock } from "../shared/log/chain.js";',
      },
      {
        file: CONFLICT,
        find: "const verdict = core.ports.verifyBlock(state, block);",
        replace:
          "const verdict = message.blocks.length > 1 ? verifyBlock(state, block, { verify: () => true }) : core.ports.verifyBlock(state, block);",
      },
    ],
  },
  one(
    "30b",
    "stored blocks are served without a check",
    BLOCKS,
    "      if (fault !== null) {\n        this.parts",
    "      if (fault !== null && from < 0) {\n        this.parts",
  ),
  {
    id: "30c",
    what: "the hash of a block is not checked on catching up",
    patches: [
      {
        file: CONFLICT,
        find: 'import type { ChainState } from "../shared/log/chain.js";',
        replace:
          'import type { ChainState } from "../shared/log/chain.js";\nimport { hashHeader } from "../shared/log/block.js";',
      },
      {
        file: CONFLICT,
        find: "const verdict = core.ports.verifyBlock(state, block);",
        replace:
          "const checked = message.blocks.length === 1 ? block : { ...block, blockHash: hashHeader(header) };\n" +
          "    const verdict = core.ports.verifyBlock(state, checked);",
      },
    ],
  },
  one(
    "31",
    "the core tells time by the wall clock",
    REPLICA,
    "core.now = input.now;",
    'core.now = "wall" in input ? Date.parse(input.wall) : core.now;',
  ),
  {
    id: "31b",
    what: "nothing keeps candidates apart: no random timeout, no order, no pre-vote",
    patches: [
      { file: TIMEOUTS, find: "const spread = 1 + TIMEOUT_SPREAD * core.random.next();", replace: "const spread = 1;" },
      {
        file: ELECTION,
        find: 'if (higher.length === 0 || core.election.wasSilenced) return startPreVote(core, { code: "no_leader_heard" });',
        replace: 'if (higher.length >= 0) return startVote(core, { code: "no_leader_heard" });',
      },
    ],
  },
  one(
    "31c",
    "a leader hands over again at once after it failed",
    TAKEOVER,
    "core.now + core.config.takeoverCooldownMs * 2 ** doublings;",
    "core.now - doublings;",
  ),
  one(
    "31d",
    "a new leader hands over at once",
    LEADER_STATE,
    "noTransferBefore: core.now + core.config.takeoverCooldownMs,",
    "noTransferBefore: core.now,",
  ),
  one(
    "32",
    "a node that lost its memory keeps its join",
    MEMORY,
    "if (known === null || lost !== null) {",
    "if (known === null) {",
  ),
  one(
    "33",
    "a read is confirmed by answers to what was sent before it",
    READ_INDEX,
    "[id, peer.round + 1]));",
    "[id, peer.answeredRound]));",
  ),
  one(
    "33b",
    "a read is confirmed by whoever was heard within an election timeout, in a leader that was paused too",
    READ_INDEX,
    "peers.filter(([id, peer]) => peer.answeredRound >= (rounds.get(id) ?? Number.POSITIVE_INFINITY)).length + 1 >=\n  core.quorum;",
    "peers.filter(([id, peer]) => rounds.has(id) && core.now - peer.lastContact <= core.config.electionTimeoutMs).length + 1 >=\n  core.quorum;",
  ),
  one(
    "34",
    "a learner counts towards a majority",
    QUORUM,
    "  peer.isVoter && core.membersAt",
    "  id !== core.selfId || core.membersAt",
  ),
  {
    id: "34b",
    what: "a learner that has caught up is a voter, admitted or not",
    patches: [
      {
        file: ADMISSION,
        find: "core.admission.isMarking || !isAdmitted(core);",
        replace:
          "(core.admission.isMarking || !isAdmitted(core)) &&\n" +
          "  (core.following.toldCommitHeight === null || core.log.commitHeight < core.following.toldCommitHeight);",
      },
      {
        file: QUORUM,
        find: "  peer.isVoter && core.membersAt(core.log.tail.members).get(id)?.joinNonce === peer.joinNonce;",
        replace: "  peer.isVoter && core.membersAt(core.log.tail.members).has(id);",
      },
    ],
  },
  {
    id: "35",
    what: "learners vote, and votes count whatever their join",
    patches: [
      {
        file: VOTE,
        find: "core.membersAt(core.log.tail.members).get(id)?.joinNonce === joinNonce;",
        replace: 'core.membersAt(core.log.tail.members).has(id) || joinNonce === "";',
      },
      { file: VOTE, find: "!core.isLearner && !core.isStalled;", replace: "!core.isStalled;" },
    ],
  },
  one(
    "36",
    "the mark is ahead of the log",
    DRIVER,
    "recordMark({ term: last.term, height: last.height,",
    "recordMark({ term: last.term, height: last.height + 1,",
  ),
  one(
    "37",
    "after a failure a block is inserted over what the store holds",
    "test/doubles/memory-inserts.ts",
    "if (there === undefined) return true;",
    "if (there === undefined || there.writeId !== writeId) return true;",
  ),
  one(
    "38",
    "recovery publishes what is not known to be committed",
    TAIL,
    "if (state.height > commitHeight) tail.push(recovered);",
    "if (state.height > commitHeight) {\n        tail.push(recovered);\n        await options.onCommitted(recovered);\n      }",
  ),
  one(
    "39",
    "a block that is not committed in time is sealed again",
    LEADER,
    "  refuseExpired(core, leader);\n  refuseExpiredWaiting",
    "  if (core.log.tail.height > core.log.commitHeight && core.log.tail.term === core.term && core.log.tail.height > 1 &&\n" +
      "    core.log.durableHeight === core.log.tail.height && core.now - leader.sealed.at > 500) {\n" +
      '    core.truncate(core.log.tail.height, core.selfId);\n    seal(core, leader, [], { kind: "term_started" });\n    return;\n  }\n' +
      "  refuseExpired(core, leader);\n  refuseExpiredWaiting",
  ),
  one(
    "40",
    "a late write to the state is taken",
    "test/doubles/memory-database.ts",
    "    if (state === null || state.version !== version) return false;\n    if (change.hard && state.hard && !isAltered && change.hard.term < state.hard.term) return false;",
    "    if (state === null) return false;",
  ),
  one(
    "41",
    "entries that a crash did not leave, or that somebody altered, are not looked for at an opening",
    TAIL,
    "    if (opened.index !== null) await compareEntries(options, verified, opened.index, opened.tailHeight);\n",
    "",
  ),
  one(
    "42",
    "keys leave the map before the index has them",
    CORE,
    "    this.duplicates.add(entry);",
    "    this.duplicates.add(entry);\n    this.duplicates.onDurable(entry.next.height);",
  ),
  one(
    "43",
    "a conflict makes an honest follower give up its vote",
    FOLLOWER,
    '    core.alert(checked.alert);\n    return reply("rejected");',
    '    core.alert(checked.alert);\n    if (!core.isLearner) becomeLearner(core, { code: "learner_of_other_log", node: message.from });\n    return reply("rejected");',
  ),
  one(
    "44",
    "a candidate offers what it has not stored yet",
    VOTE,
    "  const { durable } = core.log;",
    "  const { tail: durable } = core.log;",
  ),
  // Either mistake alone loses nothing: a voter's tail, and that nothing is acknowledged in a term that is over, guard the same.
  {
    id: "44b",
    what: "a voter compares with its durable tail only, and acknowledges to the earlier leader what it stores after its vote",
    patches: [
      {
        file: VOTE,
        find: "isAtLeast(candidate, core.log.tail);",
        replace: "isAtLeast(candidate, core.log.durable);",
      },
      { file: CORE, find: "    if (leaderId === null) this.following.pendingAnswers = [];\n", replace: "" },
      {
        file: FOLLOWER,
        find: '    if (pending.term === core.term && pending.to === core.leaderId) {\n      answer(core, pending.to, { result: "ok", ...pending });\n',
        replace:
          "    {\n      const { hard } = core;\n      core.hard = { ...hard, term: pending.term };\n" +
          '      answer(core, pending.to, { result: "ok", ...pending });\n      core.hard = hard;\n',
      },
    ],
  },
  one(
    "45",
    "that a node joins anew is not stored",
    MEMORY,
    "    await options.log.saveState(hardState, bootCounter);",
    "    if (known === null) await options.log.saveState(hardState, bootCounter);",
  ),
  one(
    "46",
    "a node that should not lead never campaigns",
    ELECTION,
    "  if (core.isLearner || core.isStalled) return armElection(core);\n  if (core.now",
    "  if (core.isLearner || core.isStalled || core.campaignsLate) return armElection(core);\n  if (core.now",
  ),
  {
    id: "59",
    what: "a leader sends what stands above its own newest block",
    patches: [
      {
        file: REPLICATION,
        find: "read.filter(({ header }) => header.height <= core.log.durableHeight);",
        replace: "read.filter(({ header }) => header.height > 0);",
      },
      { file: BLOCKS, find: "      if (expected > through) break;\n", replace: "      if (through < 0) break;\n" },
    ],
    scenario: {
      file: "test/scenarios/replication.test.ts",
      test: "what a late insert left above the leader's newest block",
    },
  },
  one(
    "60",
    "a forgery is refused without an alert",
    FOLLOWER,
    '    core.alert(checked.alert);\n    return reply("rejected");',
    '    return reply("rejected");',
  ),
  one(
    "62",
    "a recovery counts on blocks that arrived after it had read the tail",
    TAIL,
    "if (state.height >= opened.tailHeight) break;",
    "if (state.height < 0) break;",
  ),
  one(
    "62b",
    "an insert that arrives after a truncation ends the node",
    TAIL,
    "if (mayGo && isStray(",
    "if (mayGo && at < 0 && isStray(",
  ),
  one(
    "62c",
    "a process that knows what it held gives its vote up for an insert that arrived late",
    RECOVERY,
    "options.remembered.heldThrough < strayFrom;",
    "options.remembered.heldThrough < 0;",
  ),
  one(
    "60b",
    "another block in the place of a committed one is refused without an alert",
    CONFLICT,
    "at: Height): Refused =>\n  isLearner\n",
    "at: Height): Refused =>\n  at > 0 ? MISMATCH : isLearner\n",
  ),
  one(
    "61",
    "a term or vote that somebody changed is believed",
    "test/doubles/memory-log-store.ts",
    "state.hard !== null && state.mac !== this.self.stateMac(state.hard);",
    'state.hard !== null && state.mac === "";',
  ),
  one(
    "63",
    "a truncation of a replica that is gone is done on the store that the next one was made from",
    "node/replica/storage-operations.ts",
    "this.assertCurrent(generation);\n        // The next",
    "// The next",
  ),
  one(
    "64",
    "the log begins before all founders are known to have stored the list",
    FOUNDING,
    "if (core.log.tail.height > 0 || missingFounders(core).length > 0) return;",
    "if (core.log.tail.height > 0) return;",
  ),
  {
    ...one(
      "65",
      "a node says that it is a voter before its mark says that its admission is committed",
      ADMISSION,
      "  core.admission.isMarking = true;\n",
      "",
    ),
    scenario: {
      file: "test/scenarios/admission.test.ts",
      test: "votes after the power went a moment after it was admitted",
    },
  },
];
