import { CORE, ELECTION, type Mutant, one, QUORUM, REPLICA, STORE_QUEUE, TERMS_OF_ELECTIONS, VOTE } from "./mutant.js";

/** 1 to 10: votes, terms and pre-votes. */
export const ELECTIONS: readonly Mutant[] = [
  one(
    "1",
    "a vote leaves before it is durable",
    STORE_QUEUE,
    "if (!this.isSavingState) effects.push(effect);",
    "if (this.nextOpId > 0) effects.push(effect);",
  ),
  one(
    "1b",
    "term and vote are saved in two writes, the vote first",
    TERMS_OF_ELECTIONS,
    "core.saveState({ term, votedFor: null });",
    "core.saveState({ votedFor: null });\n  core.saveState({ term });",
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
    VOTE,
    "core.saveState({ term: nextTerm(core), votedFor: core.selfId }, nextTerm(core));",
    "core.saveState({ term: nextTerm(core), votedFor: null }, nextTerm(core));",
  ),
  one("4", "votes are given without looking at the log", VOTE, "isAtLeast(candidate, core.log.tail);", "true;"),
  one(
    "4b",
    "logs are compared by height alone",
    VOTE,
    "isAtLeast(candidate, core.log.tail);",
    "candidate.height >= core.log.tail.height;",
  ),
  one(
    "4c",
    "the voter compares with its commit height",
    VOTE,
    "isAtLeast(candidate, core.log.tail);",
    "isAtLeast(candidate, core.log.committed);",
  ),
  one(
    "5",
    "half of the members are a majority",
    QUORUM,
    "Math.floor(memberCount / 2) + 1;",
    "Math.max(1, Math.floor(memberCount / 2));",
  ),
  one(
    "6",
    "a vote that arrives twice counts twice",
    VOTE,
    "  core.election.votes.add(id);\n",
    "  core.election.votes.add(core.election.votes.has(id) ? id.concat(' again') : id);\n",
  ),
  one(
    "7",
    "a vote of an earlier term counts",
    VOTE,
    'if (core.role !== "candidate" || message.term !== core.term || !body.isGranted) return;',
    'if (core.role !== "candidate" || !body.isGranted) return;',
  ),
  {
    id: "7b",
    what: "a pre-vote counts as a vote",
    patches: [
      { file: VOTE, find: "function countVote", replace: "export function countVote" },
      { file: ELECTION, find: "import { canVote, ", replace: "import { countVote, canVote, " },
      {
        file: ELECTION,
        find: "  if (body.forTerm !== nextTerm(core)) return;",
        replace:
          '  if (core.role === "candidate" && body.forTerm === core.term && body.isGranted) return countVote(core, message.from);\n  if (body.forTerm !== nextTerm(core)) return;',
      },
    ],
  },
  one(
    "8",
    "a pre-vote raises the term",
    ELECTION,
    '  core.role = "pre_candidate";\n',
    '  core.saveState({ term: nextTerm(core), votedFor: null });\n  core.role = "pre_candidate";\n',
  ),
  one(
    "8b",
    "a pre-vote is stored as the vote of the present term",
    ELECTION,
    '  const answer: PeerBody = {\n    kind: "pre_vote_answer",',
    '  if (isGranted) core.saveState({ votedFor: message.from });\n  const answer: PeerBody = {\n    kind: "pre_vote_answer",',
  ),
  one(
    "9",
    "a higher term is believed only with a vote or an append",
    REPLICA,
    "    if (!takeTerm(core, message)) return;\n",
    '    if (message.term > core.term && body.kind !== "vote" && body.kind !== "append") return;\n    if (!takeTerm(core, message)) return;\n',
  ),
  one(
    "10",
    "a node that hears its leader gives pre-votes",
    ELECTION,
    '    core.role !== "leader" &&\n    !core.hasFreshLeader &&\n',
    "",
  ),
  one(
    "10b",
    "a follower that hears its leader gives pre-votes",
    ELECTION,
    "    !core.hasFreshLeader &&\n    isComplete",
    "    isComplete",
  ),
];
