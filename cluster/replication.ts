import { height, type NodeId } from "../shared/ids.js";
import { BLOCK_BYTES_MAX } from "../shared/limits.js";
import { type Block, blockBytes } from "../shared/log/block.js";
import type { PeerBody } from "../shared/protocol/messages.js";
import { freshClocks } from "./clocks.js";
import type { Core } from "./core.js";
import type { Inflight, Progress } from "./leader-state.js";
import { heardPeers } from "./quorum.js";
import type { BulkEnd } from "./types.js";

/** Sends the next blocks to a follower that has none on its way. */
export function replicate(core: Core, id: NodeId, peer: Progress): void {
  if (peer.inflight !== null || peer.reading !== null || core.now < peer.pausedUntil) return;
  if (peer.next > core.log.tail.height) return;
  const { messageBlocksMax } = core.config.limits;
  const bytesMax = Math.min(core.config.limits.messageBytesMax, peer.bulkBytesMax);
  if (peer.next > core.log.baseHeight) {
    return sendAppend(core, id, peer, core.log.slice(peer.next, { bytesMax, blocksMax: messageBlocksMax }));
  }
  peer.reading = { id: core.nextReadId++, from: peer.next, askedAt: core.now };
  core.effects.push({ kind: "read_blocks", readId: peer.reading.id, from: peer.next, bytesMax });
}

/** What the disk holds above what this leader knows to be stored may be somebody else's, and is not its to send. */
export function onBlocksRead(core: Core, readId: number, read: readonly Block[]): void {
  const blocks = read.filter(({ header }) => header.height <= core.log.durableHeight);
  for (const [id, peer] of core.leader?.progress ?? []) {
    if (peer.reading?.id !== readId) continue;
    const { from } = peer.reading;
    peer.reading = null;
    if (blocks[0]?.header.height === peer.next)
      sendAppend(core, id, peer, blocks.slice(0, core.config.limits.messageBlocksMax));
    // What is wanted now may be something else; what was wanted is not there, and reading again at once finds no more.
    else if (from !== peer.next) replicate(core, id, peer);
    else peer.pausedUntil = core.now + core.config.electionTimeoutMs;
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
  const end = blocks.at(-1)?.header.height ?? Math.max(previousHeight, peer.match);
  peer.sentCommit = height(Math.max(peer.sentCommit, Math.min(log.commitHeight, end)));
  if (blocks.length > 0) {
    const bytes = blocks.reduce((sum, block) => sum + blockBytes(block), 0);
    peer.inflight = { round: peer.round, bytes, sentAt: core.now, progressAt: core.now, deliveredAt: null };
  }
  const body: PeerBody = {
    kind: "append",
    round: peer.round,
    previousHeight,
    previousHash,
    commitHeight: log.commitHeight,
    acknowledgedHeight: peer.match,
    electionTimeoutMs: core.config.electionTimeoutMs,
    clocks: freshClocks(core),
  };
  core.send(id, body, { blocks });
}

/** A message with blocks can take long on a narrow link: it arrives bit by bit. */
export function onBulkProgress(core: Core, id: NodeId, round: number): void {
  const inflight = core.leader?.progress.get(id)?.inflight;
  if (inflight?.round === round) inflight.progressAt = core.now;
}

/** What the transport says of the message with blocks. One that is on its way is never sent again: two would share the link. */
export function onBulkOver(core: Core, id: NodeId, round: number, end: BulkEnd): void {
  const peer = core.leader?.progress.get(id);
  if (peer?.inflight?.round !== round) return;
  const { inflight } = peer;
  if (end === "delivered") {
    inflight.deliveredAt ??= core.now;
    return;
  }
  peer.inflight = null;
  if (end === "failed") peer.bulkBytesMax = Math.max(1, Math.min(peer.bulkBytesMax, inflight.bytes) / 2);
  peer.pausedUntil = Math.max(peer.pausedUntil, core.now + core.config.heartbeatMs);
}

/** An answer to it came: so much the link has taken, in the time in which it arrived there. */
export function onBulkAnswered(core: Core, peer: Progress, { bytes, sentAt, progressAt }: Inflight): void {
  const halfMs = core.config.electionTimeoutMs / 2;
  const tookMs = progressAt - sentAt;
  const { linkBytesMin } = core.config.limits;
  if (tookMs > halfMs && bytes > linkBytesMin) peer.bulkBytesMax = Math.max(linkBytesMin, (bytes * halfMs) / tookMs);
  // What was small shows little; a block's size is less than the bound by which it was filled.
  else if (bytes >= peer.bulkBytesMax / 8)
    peer.bulkBytesMax = Math.min(BLOCK_BYTES_MAX, 2 * Math.max(peer.bulkBytesMax, bytes));
}

/** How large a block may be so that enough followers can have it in half an election timeout. */
export function sealBytesMax(core: Core): number {
  if (core.quorum === 1) return BLOCK_BYTES_MAX;
  const heard = heardPeers(core, core.config.electionTimeoutMs);
  const links = heard.map(([, peer]) => peer.bulkBytesMax).sort((a, b) => b - a);
  return links[core.quorum - 2] ?? BLOCK_BYTES_MAX;
}

/** The follower has the blocks, and its answer did not come: it may be lost. */
export function forgetUnanswered(core: Core, peer: Progress): void {
  const deliveredAt = peer.inflight?.deliveredAt ?? null;
  if (deliveredAt !== null && core.now - deliveredAt > core.config.electionTimeoutMs) peer.inflight = null;
}
