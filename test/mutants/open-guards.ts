/** Guards in which neither a run nor a test sees a mistake, by why: nothing shows that they are right. */
const BY_WHY: Readonly<Record<string, readonly string[]>> = {
  "only what is shown or noted comes of it": [
    "cluster/clocks.ts: node === core.selfId",
    'cluster/replica.ts: core.role === "leader"',
    'cluster/replica.ts: core.role === "leader" || core.isLearner',
    "cluster/replica.ts: isForming(core)",
  ],
  "only the number of blocks that are written together comes of it": [
    "node/replica/storage-operations.ts: this.aloneFor > 0 #2",
    "node/replica/storage-operations.ts: written > 0",
  ],
  "no test is known that fails": [
    "cluster/check-quorum.ts: !told.has(id)",
    "cluster/check-quorum.ts: isSure",
    "cluster/check-quorum.ts: toldToLead.commitHeight !== log.commitHeight || ids.every((id) => told.has(id))",
    "cluster/conflict.ts: sequence === undefined",
    "cluster/core.ts: leaderId === null",
    "cluster/core.ts: ref === undefined",
    "cluster/core.ts: this.leaderId === null",
    "cluster/founding.ts: body.member.id !== message.from",
    "cluster/leader.ts: tail.height > 0 && tail.height === commitHeight && leader.transfer === null",
    "cluster/transfer.ts: asker !== undefined && asker.priority > core.config.self.priority",
    "cluster/transfer.ts: now > takeOver.notBefore + 2 * waitMs()",
    "node/replica/start-findings.ts: hardState !== null && previousBootCounter > identity.bootCounter + 1",
    "node/replica/start-findings.ts: memberCount === 1",
    "node/replica/verified-tail.ts: !(isNextNamed && hasHash(next.block.header, next.block.blockHash))",
    "node/replica/verified-tail.ts: above?.block.header.previousBlockHash === next.block.blockHash",
    "node/replica/verified-tail.ts: at === from",
    "node/replica/verified-tail.ts: blocks.length === 0",
  ],
};

export const OPEN: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(BY_WHY).flatMap(([why, guards]) => guards.map((guard) => [guard, why])),
);
