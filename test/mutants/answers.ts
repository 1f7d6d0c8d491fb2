import { COMMIT, DRIVER, IDEMPOTENCY, MEMORY, type Mutant, one, REPLICA } from "./mutant.js";

/** 68 to 71: what answers say of the cluster, keys in several sources, and a vote that only the identity file knows of. */
export const ANSWERS: readonly Mutant[] = [
  one(
    "68",
    "a node says that a leader stands behind it, however long ago it has heard one",
    REPLICA,
    "hasQuorum: leaderId !== null && isHeard,",
    'hasQuorum: leaderId !== null && (isHeard || role !== "leader"),',
  ),
  one(
    "68b",
    "a leader that was stopped says at once that a majority stands behind it",
    REPLICA,
    'const isHeard = role === "leader" ? isConfirmed :',
    'const isHeard = role === "leader" ? isConfirmed || leader !== null :',
  ),
  one(
    "69",
    "a client is told that whoever counts holds its write",
    COMMIT,
    "const others = countedPeers(core).filter(([, peer]) => peer.match >= through);",
    "const others = countedPeers(core);",
  ),
  one(
    "69b",
    "who repeats a write is told that whoever counts holds it",
    DRIVER,
    "peer.isVoter && peer.matchHeight >= at",
    "peer.isVoter",
  ),
  one(
    "70",
    "of the keys of a batch it is enough that one is not found",
    IDEMPOTENCY,
    "  if (found === null && lookUp.open > 0) return;\n",
    "",
  ),
  one(
    "70b",
    "of the keys of a batch the first alone is reserved",
    "cluster/reservations.ts",
    "...keysOf(proposal).map(reservation),",
    "...keysOf(proposal).map(reservation).slice(0, 1),",
  ),
  one(
    "71",
    "that the database has lost a vote is not seen by the identity file",
    MEMORY,
    '  if (opened.hardState.term < identity.votedTerm) return "its database has lost a vote";\n' +
      "  if (opened.hardState.term === identity.votedTerm && opened.hardState.votedFor === null && identity.votedTerm > 0)\n" +
      '    return "its database has lost a vote";\n',
    "",
  ),
];
