/** One place of the source, found exactly once, and what stands there in the mutant. */
export interface Patch {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Mutant {
  readonly id: string;
  readonly what: string;
  readonly patches: readonly Patch[];
}

const one = (id: string, what: string, file: string, find: string, replace: string): Mutant => ({
  id,
  what,
  patches: [{ file, find, replace }],
});

const CORE = "cluster/core.ts";
const ELECTION = "cluster/election.ts";
const FOLLOWER = "cluster/follower.ts";
const LEADER = "cluster/leader.ts";
const REPLICA = "cluster/replica.ts";
const REPLICATION = "cluster/replication.ts";
const SEALING = "cluster/sealing.ts";
const TAKEOVER = "cluster/takeover.ts";
const RECOVERY = "node/recovery.ts";
const DRIVER = "node/driver.ts";
const BLOCKS = "node/stored-blocks.ts";

/**
 * The product broken in the ways in which replicated logs have been broken before, one way each. Numbers are those of
 * the list that docs/reliability.md shows; a letter is a second form of the same mistake.
 */
export const MUTANTS: readonly Mutant[] = [
  one(
    "1",
    "a vote leaves before it is durable",
    CORE,
    'if (!this.operations.some((operation) => operation.kind === "save_state")) this.effects.push(effect);',
    "if (this.nextOpId > 0) this.effects.push(effect);",
  ),
  one(
    "2",
    "the vote is forgotten on stepping down in its term",
    CORE,
    '    this.role = "follower";\n    this.leaderId = leaderId;',
    '    if (this.hard.votedFor !== null) this.saveState({ votedFor: null });\n    this.role = "follower";\n    this.leaderId = leaderId;',
  ),
  one(
    "3",
    "a candidate's own vote is not saved",
    ELECTION,
    "core.saveState({ term: nextTerm(core), votedFor: core.selfId }, nextTerm(core));",
    "core.saveState({ term: nextTerm(core), votedFor: null }, nextTerm(core));",
  ),
  one("4", "votes are given without looking at the log", ELECTION, "isAtLeast(candidate, core.log.tail);", "true;"),
  one(
    "4b",
    "logs are compared by height alone",
    ELECTION,
    "isAtLeast(candidate, core.log.tail);",
    "candidate.height >= core.log.tail.height;",
  ),
  one(
    "4c",
    "the voter compares with its commit height",
    ELECTION,
    "isAtLeast(candidate, core.log.tail);",
    "isAtLeast(candidate, core.log.committed);",
  ),
  one(
    "5",
    "half of the members are a majority",
    "cluster/quorum.ts",
    "Math.floor(memberCount / 2) + 1;",
    "Math.max(1, Math.floor(memberCount / 2));",
  ),
  one(
    "6",
    "a vote that arrives twice counts twice",
    ELECTION,
    "  core.votes.add(id);\n  if (core.votes.size >= core.quorum) becomeLeader(core);",
    "  core.votes.add(core.votes.has(id) ? id.concat(' again') : id);\n  if (core.votes.size >= core.quorum) becomeLeader(core);",
  ),
  one(
    "7",
    "a vote of an earlier term counts",
    ELECTION,
    'if (core.role !== "candidate" || message.term !== core.term || !body.isGranted) return;',
    'if (core.role !== "candidate" || !body.isGranted) return;',
  ),
  one(
    "8",
    "a pre-vote raises the term",
    ELECTION,
    '  core.role = "pre_candidate";\n',
    '  core.saveState({ term: nextTerm(core), votedFor: null });\n  core.role = "pre_candidate";\n',
  ),
  one(
    "9",
    "a higher term is believed only with a vote or an append",
    REPLICA,
    "      core.adoptTerm(message.term);\n",
    '      if (body.kind !== "vote" && body.kind !== "append") return;\n      core.adoptTerm(message.term);\n',
  ),
  one(
    "10",
    "a node that hears its leader gives pre-votes",
    ELECTION,
    '    core.role !== "leader" &&\n    !core.hasFreshLeader &&\n',
    "",
  ),
  one(
    "11",
    "blocks of earlier terms are committed by counting",
    LEADER,
    "through <= log.commitHeight || log.at(through)?.term !== core.term",
    "through <= log.commitHeight",
  ),
  one(
    "12",
    "no empty block opens a term",
    LEADER,
    'seal(core, [], isFirst ? genesis : { kind: "term_started", election });',
    "if (isFirst) seal(core, [], genesis);",
  ),
  one(
    "13",
    "a refusal counts as an acknowledgement of the follower's tail",
    LEADER,
    '    case "mismatch":\n',
    '    case "mismatch":\n      peer.match = height(Math.min(answer.tailHeight, core.log.tail.height));\n',
  ),
  one(
    "14",
    "a follower acknowledges its whole log",
    FOLLOWER,
    'if (core.log.durableHeight >= matchHeight) return reply("ok", matchHeight);',
    'if (core.log.durableHeight >= matchHeight) return reply("ok", core.log.durableHeight);',
  ),
  one(
    "15",
    "a follower truncates to what each message carries",
    FOLLOWER,
    "  for (const entry of fresh) core.storeBlock(entry);",
    "  const end = height(body.previousHeight + message.blocks.length);\n" +
      "  if (first === undefined && core.log.tail.height > end && end > 0) core.truncate(height(end + 1), message.from);\n" +
      "  for (const entry of fresh) core.storeBlock(entry);",
  ),
  one(
    "16",
    "equal heights are taken for equal blocks",
    FOLLOWER,
    "if (state.blockHash !== body.previousHash)",
    "if (state.height !== body.previousHeight)",
  ),
  one(
    "17",
    "a follower commits what the leader has, compared or not",
    FOLLOWER,
    "Math.min(body.commitHeight, matchHeight)",
    "body.commitHeight",
  ),
  one(
    "18",
    "a follower acknowledges before its write is durable",
    FOLLOWER,
    'if (core.log.durableHeight >= matchHeight) return reply("ok", matchHeight);',
    'if (matchHeight >= 0) return reply("ok", matchHeight);',
  ),
  one(
    "19",
    "messages of an earlier leader are taken",
    FOLLOWER,
    'if (message.term < core.term) return reply("stale");',
    "",
  ),
  one(
    "20",
    "a leader without a majority goes on leading",
    LEADER,
    "if (heard < core.quorum && isSettled) {",
    "if (heard < 0 && isSettled) {",
  ),
  {
    id: "20b",
    what: "answers to an earlier term of the same leader count",
    patches: [
      { file: LEADER, find: '  if (answer.result === "stale") return;\n', replace: "" },
      {
        file: LEADER,
        find: '      throw new Error("an answer to an earlier term',
        replace: '      return;\n      throw new Error("',
      },
    ],
  },
  one(
    "21",
    "reads are confirmed without asking anybody",
    LEADER,
    "if (!isConfirmed(read)) waiting.push(read);",
    "if (!isConfirmed(read) && read.readId < 0) waiting.push(read);",
  ),
  one(
    "21b",
    "reads are served before a block of the term is committed",
    LEADER,
    "leader === null || log.committed.term !== core.term ||",
    "leader === null ||",
  ),
  {
    id: "22",
    what: "queued writes outlive the term and stand in a later one's blocks",
    patches: [
      {
        file: CORE,
        find: "  private joinCount = 0;",
        replace: "  private joinCount = 0;\n  leftover: LeaderState['queue'] = [];",
      },
      {
        file: CORE,
        find: "    this.leader = null;\n    this.armElection();",
        replace: "    this.leftover = this.leader?.queue ?? [];\n    this.leader = null;\n    this.armElection();",
      },
      { file: LEADER, find: "    queue: [],", replace: "    queue: core.leftover," },
    ],
  },
  one(
    "23",
    "what was stored before a start is not known to the duplicate check",
    CORE,
    "for (const event of boot.recentEvents) this.duplicates.addRecent(event, 0);",
    "",
  ),
  one(
    "23b",
    "only the leader remembers ids and keys",
    CORE,
    "    this.duplicates.add(entry, this.now);",
    '    if (this.role === "leader") this.duplicates.add(entry, this.now);',
  ),
  one(
    "24",
    "the lead is handed over to a node that has not caught up",
    TAKEOVER,
    "peer === undefined || log.commitHeight < log.tail.height || peer.match < log.tail.height",
    "peer === undefined",
  ),
  one(
    "25",
    "a leader goes on sealing while it hands over",
    SEALING,
    "if (leader.transfer !== null) return refuseExpired(core, leader);",
    "",
  ),
  one(
    "26",
    "a hand-over has no deadline",
    TAKEOVER,
    "leader.transfer === null || core.now < leader.transfer.deadline",
    "leader.transfer === null || core.now < Number.POSITIVE_INFINITY",
  ),
  one(
    "27",
    "a vote is refused to a node of lower priority",
    ELECTION,
    "message.term === core.term && isFree && canVote(core)",
    "message.term === core.term && (core.members.get(message.from)?.priority ?? 0) >= core.config.self.priority && isFree && canVote(core)",
  ),
  one(
    "28",
    "another block at the height is taken for the one inserted",
    "node/storage/memory-log-store.ts",
    "else if (!isSentBefore || there.writeId !== writeId)",
    "else if (header.height < 0)",
  ),
  one(
    "29",
    "a damaged block is answered as one that is not there",
    BLOCKS,
    "        this.onInvalidBlock(block.header.height, sound.fault);\n        break;",
    "        break;",
  ),
  one(
    "29b",
    "the log is taken to end below a damaged block",
    RECOVERY,
    "if (next === null) throw invalidLog(options, at, verdict.detail);",
    "if (next === null) return { base, tail, recentEvents, campaignsLate };",
  ),
  one(
    "30",
    "signatures are not checked on catching up",
    FOLLOWER,
    "const verdict = verifyBlock(state, block, core.ports.verifier);",
    "const verdict = verifyBlock(state, block, message.blocks.length > 1 ? { verify: () => true } : core.ports.verifier);",
  ),
  one(
    "30b",
    "stored blocks are served without a check",
    BLOCKS,
    '      if ("fault" in sound) {',
    '      if ("fault" in sound && from < 0) {',
  ),
  one(
    "31",
    "the core tells time by the wall clock",
    REPLICA,
    "core.now = input.now;",
    'core.now = "wall" in input ? Date.parse(input.wall) : core.now;',
  ),
  one(
    "32",
    "a node that lost its memory keeps its join",
    RECOVERY,
    "if (known === null || lost !== null) {",
    "if (known === null) {",
  ),
  one(
    "33",
    "a read is confirmed by answers to what was sent before it",
    LEADER,
    "[id, peer.round + 1]));",
    "[id, peer.answeredRound]));",
  ),
  one(
    "34",
    "a learner counts towards a majority",
    REPLICATION,
    "  peer.isVoter && core.membersAt",
    "  id !== core.selfId || core.membersAt",
  ),
  {
    id: "35",
    what: "learners vote, and votes count whatever their join",
    patches: [
      {
        file: ELECTION,
        find: "core.membersAt(core.log.tail.members).get(id)?.joinNonce === joinNonce;",
        replace: 'core.membersAt(core.log.tail.members).has(id) || joinNonce === "";',
      },
      { file: ELECTION, find: "!core.isLearner && !core.isStalled;", replace: "!core.isStalled;" },
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
    "node/storage/memory-log-store.ts",
    "          if (there === undefined) blocks.set",
    "          if (there === undefined || there.writeId !== writeId) blocks.set",
  ),
  one(
    "38",
    "recovery brings the projection up to the log's tail",
    RECOVERY,
    "if (state.height > commitHeight) tail.push(recovered);",
    "if (state.height > commitHeight) {\n        tail.push(recovered);\n        await options.onCommitted(recovered);\n      }",
  ),
  one(
    "39",
    "a block that is not committed in time is sealed again",
    LEADER,
    "  refuseExpired(core, leader);\n  onTransferTick(core);",
    "  if (core.log.tail.height > core.log.commitHeight && core.log.tail.term === core.term && core.log.tail.height > 1 &&\n" +
      "    core.log.durableHeight === core.log.tail.height && core.now - leader.sealed.at > 500) {\n" +
      '    core.truncate(core.log.tail.height, core.selfId);\n    seal(core, [], { kind: "term_started" });\n    return;\n  }\n' +
      "  refuseExpired(core, leader);\n  onTransferTick(core);",
  ),
  one(
    "40",
    "a late write to the state is taken",
    "node/storage/memory-database.ts",
    "    if (state === null || state.version !== version) return false;\n    if (change.hard && state.hard && change.hard.term < state.hard.term) return false;",
    "    if (state === null) return false;",
  ),
  one(
    "41",
    "a mongod that started again is not read again: the projection goes on where this process was",
    DRIVER,
    "        return Math.min(\n          opened.projectedThrough,\n",
    "        return Math.min(\n          Number.POSITIVE_INFINITY,\n",
  ),
  one(
    "42",
    "keys leave the map before the projection can find them",
    REPLICA,
    "core.duplicates.projected(input.treeSize);",
    "core.duplicates.projected(core.log.tail.range.size);",
  ),
  one(
    "43",
    "a conflict makes an honest follower give up its vote",
    FOLLOWER,
    '    core.alert(checked.alert);\n    return reply("rejected");',
    '    core.alert(checked.alert);\n    if (!core.isLearner) core.becomeLearner(checked.alert.detail);\n    return reply("rejected");',
  ),
  one(
    "44",
    "a candidate offers what it has not stored yet",
    ELECTION,
    "  const { durable } = core.log;",
    "  const { tail: durable } = core.log;",
  ),
  one(
    "45",
    "that a node joins anew is not stored",
    RECOVERY,
    "    await options.log.saveState(hardState, bootCounter);",
    "    if (known === null) await options.log.saveState(hardState, bootCounter);",
  ),
  one(
    "46",
    "a node that should not lead never campaigns",
    ELECTION,
    "  if (core.isLearner || core.isStalled) return core.armElection();\n  if (core.now",
    "  if (core.isLearner || core.isStalled || core.campaignsLate) return core.armElection();\n  if (core.now",
  ),
];
