/** Guards in which neither a run nor a test sees a mistake, by why: nothing shows that they are right. */
const BY_WHY: Readonly<Record<string, readonly string[]>> = {
  "only the number of blocks that are written together comes of it": [
    "node/replica/storage-operations.ts: this.aloneFor > 0 #2",
    "node/replica/storage-operations.ts: written > 0",
  ],
  "no test is known that fails": [
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
