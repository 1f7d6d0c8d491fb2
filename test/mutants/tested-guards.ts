import type { Scenario } from "./mutant.js";

/** Tests, and guards that come out in them as in no seed. */
const TESTS: readonly (readonly [Scenario, readonly string[]])[] = [
  [
    {
      file: "cluster/duplicates.test.ts",
      test: "keeps what a later block has as well when it forgets an earlier one's",
    },
    [
      "cluster/duplicates.ts: this.heightById.get(id) === at",
      "cluster/duplicates.ts: this.heightByKey.get(key) === at",
    ],
  ],
  [
    {
      file: "cluster/fifo.test.ts",
      test: "gives out what it was given in order, from both ends, and holds little more than what is in it",
    },
    ["cluster/fifo.ts: this.length === 0 #2", "cluster/fifo.ts: this.length === 0 #3"],
  ],
  [
    { file: "cluster/founding.test.ts", test: "is refused by one that joins if the cluster is not named after it" },
    ["cluster/founding.ts: next.clusterId === message.clusterId"],
  ],
  [
    { file: "cluster/founding.test.ts", test: "is refused if it lists other members than this node has stored" },
    ["cluster/founding.ts: isSame"],
  ],
  [
    { file: "cluster/replica.test.ts", test: "ends when a block becomes durable that does not follow the last one" },
    ["cluster/replica.ts: done.height !== core.log.durableHeight + 1"],
  ],
  [
    { file: "cluster/replica.test.ts", test: "ends when its storage answers another operation than the oldest" },
    ["cluster/store-queue.ts: done === undefined || done.opId !== opId"],
  ],
  [
    {
      file: "node/replica/compare-entries.test.ts",
      test: "misses none of its own terms where an entry says that it has too many",
    },
    ["node/replica/compare-entries.ts: places.has(toHex(WIDE))"],
  ],
  [
    {
      file: "test/scenarios/refusals.test.ts",
      test: "founders on one database, or on copies of one, do not form a log, and name each other",
    },
    ["cluster/founding.ts: twin !== undefined"],
  ],
  [
    {
      file: "node/replica/recovery.test.ts",
      test: "goes to quarantine, and the process that knows what it held goes on as it is",
    },
    ["node/replica/stray.ts: isBesideOther"],
  ],
  [
    {
      file: "node/replica/recovery.test.ts",
      test: "makes a later process join anew, which cannot know that nothing else is gone",
    },
    ["node/replica/recovery.ts: isNothingLost"],
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
      test: "remembers what is durable and committed, also when what is cut was not durable",
    },
    [
      "node/replica/storage-operations.ts: this.known !== null",
      "node/replica/storage-operations.ts: known.durable.height < from",
    ],
  ],
  [
    {
      file: "node/replica/storage-operations.test.ts",
      test: "stores blocks that wait together, 32 at most, and tells of each in order",
    },
    ["node/replica/storage-operations.ts: this.known === null"],
  ],
  [
    { file: "node/replica/storage-operations.test.ts", test: "writes what is large in parts" },
    ["node/replica/storage-operations.ts: blocks.length > 0 && bytes > BATCH_BYTES_MAX"],
  ],
  [
    { file: "test/scenarios/admission.test.ts", test: "waits for a person when its keys are new" },
    ["cluster/admission.ts: core.config.admitsNewKeys"],
  ],
  [
    {
      file: "test/scenarios/amnesia-unnoticed.txt",
      test: "# A disk forgets its newest block and nothing on that node can tell. The leader can: it remembers what was acknowledged",
    },
    ["cluster/follower.ts: body.acknowledgedHeight > end && !core.isLearner"],
  ],
  [
    {
      file: "test/scenarios/blocks-that-do-not-arrive.test.ts",
      test: "gives the lead up where all others campaign late, and only they know why",
    },
    ["cluster/check-quorum.ts: isSure"],
  ],
  [
    { file: "test/scenarios/blocks-that-do-not-arrive.test.ts", test: "stays the leader where nobody could do better" },
    ["cluster/transfer.ts: now > takeOver.notBefore + 2 * waitMs()"],
  ],
  [
    {
      file: "test/scenarios/config-mismatch.txt",
      test: "# One node is configured with other members: no cluster forms, and everybody who hears of it says so. Once it is",
    },
    [
      "cluster/founding.ts: canonicalText(body.configured) !== canonicalText(configuredIds(core))",
      "cluster/replica.ts: message.to !== core.selfId || message.from === core.selfId || !core.peerIds.includes(message.from)",
    ],
  ],
  [
    {
      file: "test/scenarios/forged-block.txt",
      test: "# A sender forges what a block says: each lie is refused with an alert that names it, nothing is stored, and",
    },
    ["cluster/conflict.ts: header.height !== expected"],
  ],
  [
    {
      file: "test/scenarios/founding.test.ts",
      test: "lets a founder that made another list join the log that has begun without it",
    },
    ['cluster/founding.ts: formingHash !== core.formingHash && clusterId !== "" && body.kind === "append"'],
  ],
  [
    {
      file: "test/scenarios/join-nonce.txt",
      test: "# A node votes, loses its disk, and joins anew: its new join was admitted by nobody, and votes for nobody.",
    },
    ["cluster/vote.ts: isVoteOf(core, message.from, body.joinNonce)"],
  ],
  [
    {
      file: "test/scenarios/leadership.test.ts",
      test: "stays while look-ups hang and its log is written, and refuses what it cannot tell about",
    },
    ["cluster/deadlines.ts: core.now < lookUp.proposal.deadline"],
  ],
  [
    {
      file: "test/scenarios/lying-follower.txt",
      test: "# A follower acknowledges blocks that it never stores. With one more failure an acknowledged event is lost: no",
    },
    ["cluster/conflict.ts: body.previousHeight <= log.commitHeight"],
  ],
  [
    { file: "test/scenarios/refusals.test.ts", test: "a leader admits no node on a copy of another one's database" },
    ["cluster/admission.ts: twin !== undefined"],
  ],
  [
    { file: "test/scenarios/refusals.test.ts", test: "a leader follows no second one of its own term, and names it" },
    ['cluster/conflict.ts: core.role === "leader"'],
  ],
  [
    { file: "test/scenarios/refusals.test.ts", test: "a learner believes a term from far away, and takes no write" },
    ["cluster/proposals.ts: core.isLearner", "cluster/terms.ts: core.isLearner"],
  ],
  [
    {
      file: "test/scenarios/refusals.test.ts",
      test: "a learner refuses another genesis than that of the cluster which its identity belongs to",
    },
    [
      "cluster/conflict.ts: foreign !== null",
      "cluster/founding.ts: formedClusterId !== null && next.clusterId !== formedClusterId",
    ],
  ],
  [
    {
      file: "test/scenarios/refusals.test.ts",
      test: "a pre-vote of another join than the one admitted last counts for nothing",
    },
    ["cluster/election.ts: !isVoteOf(core, message.from, body.joinNonce)"],
  ],
  [
    { file: "test/scenarios/refusals.test.ts", test: "whoever introduces somebody else is not heard" },
    ["cluster/founding.ts: body.member.id !== message.from"],
  ],
  [
    {
      file: "test/scenarios/term-too-high.txt",
      test: "# One forged message with a huge term would use up the terms for ever. It is refused with an alert until a majority of",
    },
    ["cluster/terms.ts: agreeing >= core.quorum"],
  ],
  [
    { file: "cluster/alert-records.test.ts", test: "takes none where another node leads" },
    ["cluster/alert-records.ts: leader === null || !isSealable(core, records)"],
  ],
  [
    { file: "cluster/alert-records.test.ts", test: "takes the same word on maintenance once while it waits" },
    [
      "cluster/alert-records.ts: leader === null || 2 * leader.controls.length >= core.config.limits.waitingAdmissionsMax",
      "cluster/alert-records.ts: core.leader?.controls.some((control) => canonicalText(control) === text) === false",
    ],
  ],
  [
    { file: "cluster/alert-records.test.ts", test: "takes the records of a node while none of its own wait" },
    ["cluster/alert-records.ts: !isWaiting"],
  ],
  [
    { file: "test/scenarios/refusals.test.ts", test: "a late answer of another join changes nothing" },
    ["cluster/leader.ts: !isLatest"],
  ],
  [
    {
      file: "test/scenarios/leadership.test.ts",
      test: "refuses a condition on the head as not written, once its time is over and no majority has answered",
    },
    ["cluster/deadlines.ts: core.now < refusal.queued.proposal.deadline"],
  ],
  [
    {
      file: "test/scenarios/leadership.test.ts",
      test: "gives up the lead when its database hangs and all that comes are writes with keys that %s",
    },
    ["cluster/leader.ts: isDue && isIdle && core.now - leader.sealed.at > electionTimeoutMs"],
  ],
  [
    {
      file: "node/replica/recovery.test.ts",
      test: "forgets which blocks an identity has noted that is lost: pages under another secret would be called altered",
    },
    ["node/replica/recovery.ts: isOfLostIdentity(options, opened)"],
  ],
  [
    {
      file: "node/replica/recovery.test.ts",
      test: "is put away by a voter, which joins anew, but for a block that it knows to be committed",
    },
    ["node/replica/recovery.ts: late !== null"],
  ],
  [
    { file: "node/replica/storage-operations.test.ts", test: "tells of no more of them once their replica is gone" },
    ["node/replica/storage-operations.ts: generation !== this.generation"],
  ],
  [
    {
      file: "test/scenarios/blocks-that-do-not-arrive.test.ts",
      test: "tells nobody to lead that lacks what is committed",
    },
    [
      "cluster/check-quorum.ts: target === undefined",
      "cluster/check-quorum.ts: toldToLead.commitHeight !== log.commitHeight || ids.every((id) => told.has(id))",
      "cluster/check-quorum.ts: target !== undefined",
    ],
  ],
];

/** Guards to which no seed comes, or which come out one way in all of them, and the test that sees them come out otherwise. */
export const TESTED: Readonly<Record<string, Scenario>> = Object.fromEntries(
  TESTS.flatMap(([test, guards]) => guards.map((guard) => [guard, test])),
);
