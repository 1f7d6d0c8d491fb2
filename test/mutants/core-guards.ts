import type { Scenario } from "./mutant.js";

/** Tests, and guards of the core with a mistake in which they fail, while no seed sees it. */
export const CORE_GUARDS: readonly (readonly [Scenario, readonly string[]])[] = [
  [
    { file: "cluster/alert-records.test.ts", test: "takes none where another node leads" },
    ["cluster/alert-records.ts: leader === null || !isSealable(core, records)"],
  ],
  [
    { file: "cluster/alert-records.test.ts", test: "takes the records of a node while none of its own wait" },
    ["cluster/alert-records.ts: !isWaiting"],
  ],
  [
    {
      file: "cluster/alert-records.test.ts",
      test: "takes the records of a node while none of its own wait, up to half of the places",
    },
    [
      "cluster/alert-records.ts: ( key !== undefined && log.tail.members.get(node)?.keys.block === key && isKeyWaiting !== true && canonicalBytes(records).length <= ALERT_RECORDS_BYTES_MAX )",
      'cluster/alert-records.ts: control.kind === "alert_records" && control.node === records.node',
      'cluster/alert-records.ts: control.kind === "node_admitted" && control.node === node',
    ],
  ],
  [
    { file: "cluster/alert-records.test.ts", test: "takes the same word on maintenance once while it waits" },
    [
      "cluster/alert-records.ts: core.leader?.controls.some((control) => canonicalText(control) === text) === false",
      "cluster/alert-records.ts: leader === null || 2 * leader.controls.length >= core.config.limits.waitingAdmissionsMax",
    ],
  ],
  [
    {
      file: "cluster/alert-records.test.ts",
      test: "takes the same word on maintenance once while it waits, and of all control records up to half of the places",
    },
    ["cluster/alert-records.ts: canonicalText(control) === text"],
  ],
  [
    {
      file: "cluster/conflict.test.ts",
      test: "an alert of a block that fails its check names the event where it is one, and no other",
    },
    ["cluster/conflict.ts: sequence === undefined"],
  ],
  [
    {
      file: "cluster/deadlines.test.ts",
      test: "refuses look-ups and refusals that wait once their time is over, and no others",
    },
    ["cluster/deadlines.ts: core.now < lookUp.proposal.deadline"],
  ],
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
      test: "gives out nothing twice, whichever end its last one left from, and takes more then",
    },
    ["cluster/fifo.ts: this.length === 0 #2"],
  ],
  [
    {
      file: "cluster/fifo.test.ts",
      test: "gives out what it was given in order, from both ends, and holds little more than what is in it",
    },
    ["cluster/fifo.ts: this.start * 2 > this.items.length"],
  ],
  [
    { file: "cluster/founding.test.ts", test: "answers within the request that asks" },
    ["cluster/core.ts: ref === undefined"],
  ],
  [
    { file: "cluster/founding.test.ts", test: "is refused by one that joins if the cluster is not named after it" },
    ["cluster/founding.ts: next.clusterId === message.clusterId"],
  ],
  [
    { file: "cluster/founding.test.ts", test: "is refused if it is not of the cluster that the identity belongs to" },
    ["cluster/founding.ts: formedClusterId !== null && next.clusterId !== formedClusterId"],
  ],
  [
    { file: "cluster/founding.test.ts", test: "is refused if it lists other members than this node has stored" },
    [
      "cluster/founding.ts: b !== undefined && a.storeId === b.storeId && a.joinNonce === b.joinNonce && a.keys.block === b.keys.block",
      "cluster/founding.ts: isSame",
      "cluster/founding.ts: known.length === next.members.size && known.every((member) => sameMember(member, next.members.get(member.id)))",
    ],
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
      file: "cluster/replication.test.ts",
      test: "a leader sends no block from its disk that it does not know to be stored",
    },
    ["cluster/replication.ts: header.height <= core.log.durableHeight"],
  ],
  [
    {
      file: "cluster/terms.test.ts",
      test: "a learner believes it at once: it may have been away for long, and votes for nobody",
    },
    ["cluster/terms.ts: core.isLearner"],
  ],
  [
    { file: "cluster/terms.test.ts", test: "a term that is far away no more says nothing for another one" },
    ["cluster/terms.ts: seen > core.term + TERM_LEAP_MAX"],
  ],
  [
    {
      file: "cluster/transfer.test.ts",
      test: "a leader whose blocks reach no majority stands back for longer each time, and as at first after as long a time without",
    },
    ["cluster/transfer.ts: now > takeOver.notBefore + 2 * waitMs()"],
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
    ["cluster/check-quorum.ts: !isSure(peer)"],
  ],
  [
    {
      file: "test/scenarios/blocks-that-do-not-arrive.test.ts",
      test: "stays the leader where nobody could do better:",
    },
    [
      "cluster/check-quorum.ts: isSure",
      "cluster/check-quorum.ts: other.isStoreHealthy && other.tailHeight <= peer.tailHeight",
      "cluster/check-quorum.ts: peer.isStoreHealthy || behind + 1 >= core.quorum",
    ],
  ],
  [
    {
      file: "test/scenarios/blocks-that-do-not-arrive.test.ts",
      test: "tells nobody to lead that lacks what is committed",
    },
    ["cluster/check-quorum.ts: target === undefined"],
  ],
  [
    {
      file: "test/scenarios/blocks-that-do-not-arrive.test.ts",
      test: "tells nobody to lead that lacks what is committed, though it hears nobody else",
    },
    [
      "cluster/check-quorum.ts: !isWaiting(core)",
      "cluster/check-quorum.ts: log.durableHeight > log.commitHeight && log.durable.term === term",
    ],
  ],
  [
    {
      file: "test/scenarios/blocks-that-do-not-arrive.test.ts",
      test: "tells one after the other to lead where nobody could do better, and then all of them again",
    },
    [
      "cluster/check-quorum.ts: !told.has(id)",
      "cluster/check-quorum.ts: toldToLead.commitHeight !== log.commitHeight || ids.every((id) => told.has(id))",
    ],
  ],
  [
    {
      file: "test/scenarios/blocks-that-do-not-arrive.test.ts",
      test: "tells one to lead that campaigns late, where nobody else could win",
    },
    ["cluster/leader.ts: answer.matchHeight > peer.match && core.leader !== null"],
  ],
  [
    {
      file: "test/scenarios/clocks.test.ts",
      test: "a follower says once that its own clock is off, and anew after it was right",
    },
    ["cluster/clocks.ts: node === core.selfId"],
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
      test: "forms a log with others that begin anew after it has met a list that does not name its join",
    },
    ["cluster/founding.ts: isNew(core) && !isJoining(core)"],
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
      test: "gives up the lead when its database hangs and all that comes are writes with keys that %s",
    },
    [
      "cluster/leader.ts: isDue && isIdle && core.now - leader.sealed.at > electionTimeoutMs",
      "cluster/leader.ts: tail.height > 0 && tail.height === commitHeight && leader.transfer === null",
    ],
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
      file: "test/scenarios/lying-follower.txt",
      test: "# A follower acknowledges blocks that it never stores. With one more failure an acknowledged event is lost: no",
    },
    ["cluster/conflict.ts: body.previousHeight <= log.commitHeight"],
  ],
  [
    { file: "test/scenarios/refusals.test.ts", test: "a late answer of another join changes nothing" },
    ["cluster/leader.ts: !isLatest"],
  ],
  [
    { file: "test/scenarios/refusals.test.ts", test: "a leader admits no node on a copy of another one's database" },
    [
      "cluster/admission.ts: member.id !== id && member.storeId === learner.storeId",
      "cluster/admission.ts: twin !== undefined",
    ],
  ],
  [
    { file: "test/scenarios/refusals.test.ts", test: "a leader follows no second one of its own term, and names it" },
    ['cluster/conflict.ts: core.role === "leader"'],
  ],
  [
    {
      file: "test/scenarios/refusals.test.ts",
      test: "a leader hands the lead to nobody of lower priority that asks for it",
    },
    ["cluster/transfer.ts: asker !== undefined && asker.priority > core.config.self.priority"],
  ],
  [
    { file: "test/scenarios/refusals.test.ts", test: "a learner believes a term from far away, and takes no write" },
    ["cluster/proposals.ts: core.isLearner"],
  ],
  [
    {
      file: "test/scenarios/refusals.test.ts",
      test: "a learner refuses another genesis than that of the cluster which its identity belongs to",
    },
    ["cluster/conflict.ts: foreign !== null"],
  ],
  [
    {
      file: "test/scenarios/refusals.test.ts",
      test: "a pre-vote of another join than the one admitted last counts for nothing",
    },
    ["cluster/election.ts: !isVoteOf(core, message.from, body.joinNonce)"],
  ],
  [
    {
      file: "test/scenarios/refusals.test.ts",
      test: "founders on one database, or on copies of one, do not form a log, and name each other",
    },
    [
      "cluster/founding.ts: id !== message.from && storeId === body.member.storeId",
      "cluster/founding.ts: twin !== undefined",
    ],
  ],
  [
    { file: "test/scenarios/refusals.test.ts", test: "whoever introduces somebody else is not heard" },
    ["cluster/founding.ts: body.member.id !== message.from"],
  ],
  [
    {
      file: "test/scenarios/replication.test.ts",
      test: "an answer that waits for an insert goes with the leader that it was for",
    },
    ["cluster/core.ts: leaderId === null"],
  ],
  [
    {
      file: "test/scenarios/strangers.test.ts",
      test: "a node of another cluster is not heard: neither its term nor its wish for a vote",
    },
    ["cluster/replica.ts: core.clusterId === message.clusterId"],
  ],
  [
    {
      file: "test/scenarios/takeover.test.ts",
      test: "waits for its leader by that one's timeout, and for votes without one by its own",
    },
    ["cluster/core.ts: this.leaderId === null"],
  ],
  [
    {
      file: "test/scenarios/term-too-high.txt",
      test: "# One forged message with a huge term would use up the terms for ever. It is refused with an alert until a majority of",
    },
    ["cluster/terms.ts: agreeing >= core.quorum"],
  ],
  [
    {
      file: "test/scenarios/view.test.ts",
      test: "a node tells when it heard its leader last, which a leader does now, and how long it waits for one yet",
    },
    ['cluster/replica.ts: core.role === "leader"', 'cluster/replica.ts: core.role === "leader" || core.isLearner'],
  ],
  [
    {
      file: "test/scenarios/view.test.ts",
      test: "a node that founds a log tells whom it misses, and of nobody once there is a list",
    },
    ["cluster/replica.ts: isForming(core)"],
  ],
];
