import { height, type NodeId } from "../shared/ids.js";
import type { Block } from "../shared/log/block.js";
import type { PeerBody } from "../shared/protocol/messages.js";
import type { Core } from "./core.js";
import type { Progress } from "./leader-state.js";

/** Sends the next blocks to a follower that has none on its way. */
export function replicate(core: Core, id: NodeId): void {
  const peer = core.leader?.progress.get(id);
  if (core.leader === null || peer === undefined) return;
  if (peer.inflight !== null || peer.readId !== null || core.now < peer.pausedUntil) return;
  if (peer.next > core.log.tail.height) return;
  const { messageBytesMax, messageBlocksMax } = core.config.limits;
  if (peer.next > core.log.baseHeight) {
    const limit = { bytesMax: messageBytesMax, blocksMax: messageBlocksMax };
    return sendAppend(core, id, peer, core.log.slice(peer.next, limit));
  }
  peer.readId = core.nextReadId++;
  core.effects.push({ kind: "read_blocks", readId: peer.readId, from: peer.next, bytesMax: messageBytesMax });
}

/** What the disk holds above what this leader knows to be stored may be somebody else's, and is not its to send. */
export function onBlocksRead(core: Core, readId: number, read: readonly Block[]): void {
  const blocks = read.filter(({ header }) => header.height <= core.log.durableHeight);
  for (const [id, peer] of core.leader?.progress ?? []) {
    if (peer.readId !== readId) continue;
    peer.readId = null;
    if (blocks[0]?.header.height === peer.next)
      sendAppend(core, id, peer, blocks.slice(0, core.config.limits.messageBlocksMax));
    else if (blocks.length === 0) peer.pausedUntil = core.now + core.config.electionTimeoutMs;
    else replicate(core, id);
  }
}

export function sendAppend(core: Core, id: NodeId, peer: Progress, blocks: readonly Block[]): void {
  const { log } = core;
  let previousHeight = height(peer.next - 1);
  let previousHash = blocks[0]?.header.previousBlockHash ?? log.at(previousHeight)?.blockHash;
  if (previousHash === undefined) {
    // A heartbeat to a follower far behind: it cannot be compared there, so it is told where the log ends.
    previousHeight = log.tail.height;
    previousHash = log.tail.blockHash;
  }
  peer.round += 1;
  peer.lastSentAt = core.now;
  peer.sentCommit = log.commitHeight;
  if (blocks.length > 0) peer.inflight = { round: peer.round, sentAt: core.now, progressAt: Number.NEGATIVE_INFINITY };
  const body: PeerBody = {
    kind: "append",
    round: peer.round,
    previousHeight,
    previousHash,
    commitHeight: log.commitHeight,
    acknowledgedHeight: peer.match,
    isCoordinator: peer.round === 1,
  };
  core.send(id, body, { blocks });
}

/**
 * Whether a follower's word counts: it is a voter in its own eyes, which says that the record of its admission is
 * committed, and by the join admitted last in this log. A new leader may not know yet that the record is committed,
 * and could never commit anything if it waited to know: as with votes, the log's tail names the joins.
 */
export const counts = (core: Core, id: NodeId, peer: Progress): boolean =>
  peer.isVoter && core.membersAt(core.log.tail.members).get(id)?.joinNonce === peer.joinNonce;

export function countedPeers(core: Core): [NodeId, Progress][] {
  return [...(core.leader?.progress ?? [])].filter(([id, peer]) => counts(core, id, peer));
}

/** A message with blocks can take long on a narrow link: it arrives bit by bit. */
export function onBulkProgress(core: Core, id: NodeId, round: number): void {
  const inflight = core.leader?.progress.get(id)?.inflight;
  if (inflight?.round === round) inflight.progressAt = core.now;
}

/** A refused connection: what was on its way did not arrive, so it can be sent again at the next heartbeat. */
export function onPeerUnreachable(core: Core, id: NodeId): void {
  const peer = core.leader?.progress.get(id);
  if (peer !== undefined) peer.inflight = null;
}
