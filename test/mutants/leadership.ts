import {
  CHECK_QUORUM,
  CLOCKS,
  CORE,
  LEADER,
  LEADER_STATE,
  type Mutant,
  one,
  READ_INDEX,
  REPLICATION,
  SEALING,
  TAKEOVER,
  VOTE,
} from "./mutant.js";

/** 20 to 27: leading, reads, duplicates, hand-overs. */
export const LEADERSHIP: readonly Mutant[] = [
  one(
    "20",
    "a leader without a majority goes on leading",
    CHECK_QUORUM,
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
    READ_INDEX,
    "if (!isConfirmed(read)) waiting.push(read);",
    "if (!isConfirmed(read) && read.readId < 0) waiting.push(read);",
  ),
  one(
    "21b",
    "reads are served before a block of the term is committed",
    READ_INDEX,
    "    log.committed.term !== core.term ||\n",
    "",
  ),
  {
    id: "22",
    what: "queued writes outlive the term and stand in a later one's blocks",
    patches: [
      {
        file: CORE,
        find: "  nextReadId = 1;",
        replace: "  nextReadId = 1;\n  leftover: LeaderState['queue'] | null = null;",
      },
      {
        file: CORE,
        find: "    this.leader = null;\n    armElection(this);",
        replace: "    this.leftover = this.leader?.queue ?? null;\n    this.leader = null;\n    armElection(this);",
      },
      { file: LEADER_STATE, find: "  queue: new Fifo(),", replace: "  queue: core.leftover ?? new Fifo()," },
    ],
  },
  one(
    "23",
    "what was stored before a start is not known to the duplicate check",
    CORE,
    "this.duplicates = new Duplicates(config.limits, boot);",
    "this.duplicates = new Duplicates(config.limits, { ...boot, ids: [] });",
  ),
  one(
    "23b",
    "only the leader remembers ids and keys",
    CORE,
    "    this.duplicates.add(entry);",
    '    if (this.role === "leader") this.duplicates.add(entry);',
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
  {
    id: "26b",
    what: "a hand-over outlives its term, and has no deadline there",
    patches: [
      {
        file: CORE,
        find: "  nextReadId = 1;",
        replace: "  nextReadId = 1;\n  handedOver: LeaderState['transfer'] = null;",
      },
      {
        file: CORE,
        find: "    this.leader = null;\n    armElection(this);",
        replace:
          "    this.handedOver = this.leader?.transfer ?? null;\n    this.leader = null;\n    armElection(this);",
      },
      {
        file: LEADER_STATE,
        find: "  transfer: null,",
        replace:
          "  transfer: core.handedOver === null ? null : { ...core.handedOver, deadline: Number.POSITIVE_INFINITY },",
      },
    ],
  },
  one(
    "27",
    "a vote is refused to a node of lower priority",
    VOTE,
    "message.term === core.term && isFree && canVote(core)",
    "message.term === core.term && (core.members.get(message.from)?.priority ?? 0) >= core.config.self.priority && isFree && canVote(core)",
  ),
  one(
    "48",
    "a leader keeps the lead while its blocks reach nobody and heartbeats do",
    CHECK_QUORUM,
    "return leader.stuckMs > STUCK_TIMEOUTS * electionTimeoutMs && giveUp(core, leader);",
    "return leader.stuckMs < 0 && giveUp(core, leader);",
  ),
  one(
    "53",
    "a message with blocks counts as over after an election timeout, though it is still on its way",
    REPLICATION,
    "if (deliveredAt !== null && core.now - deliveredAt >",
    "const at = deliveredAt ?? peer.inflight?.sentAt ?? core.now;\n  if (core.now - at >",
  ),
  one(
    "49",
    "a condition on the head is refused without asking a majority",
    READ_INDEX,
    "    if (!isConfirmed(refusal)) refusals.push(refusal);",
    "    if (!isConfirmed(refusal) && refusal.nextSequence < 0) refusals.push(refusal);",
  ),
  one("66", "a leader stamps with its own clock", SEALING, "now: sealingTime(core),", "now: core.wall,"),
  {
    id: "67",
    what: "a jump of a leader's clock moves what it knows of the others'",
    patches: [
      {
        file: CLOCKS,
        find: "zeroMs: wallMs - core.now, at",
        replace: "zeroMs: wallMs - ownWallMs(core), at",
      },
      {
        file: CLOCKS,
        find: "inBounds(heard.zeroMs + core.now)",
        replace: "inBounds(heard.zeroMs + ownWallMs(core))",
      },
    ],
  },
];
