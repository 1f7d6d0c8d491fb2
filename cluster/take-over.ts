import type { NodeId } from "../shared/ids.js";
import type { Core } from "./core.js";
import { durableTail, nextTerm } from "./vote.js";

/** A preferred follower asks this often, in parts of the cool-down. */
const ASKS_A_COOLDOWN = 5;

/**
 * A higher-priority node that is level and has been healthy for a while asks for the lead, once a majority has answered it.
 * Priority decides who asks, never who may lead.
 */
export function onFollowerTick(core: Core): void {
  const { config, log, now, takeOver } = core;
  if (!core.isStoreHealthy) takeOver.healthySince = now;
  const { leaderId } = core;
  if (core.role !== "follower" || leaderId === null || !core.hasFreshLeader || core.isLearner || core.campaignsLate)
    return;
  const leading = core.members.get(leaderId);
  if (leading === undefined || leading.priority >= config.self.priority || now < takeOver.notBefore) return;
  const { takeoverCooldownMs } = config;
  const isSettled =
    now - takeOver.followsSince >= takeoverCooldownMs && now - takeOver.healthySince >= takeoverCooldownMs;
  const isCaughtUp = log.durableHeight >= (core.following.toldCommitHeight ?? Number.POSITIVE_INFINITY);
  if (!isSettled || !isCaughtUp || now - takeOver.lastAskedAt < takeoverCooldownMs / ASKS_A_COOLDOWN) return;
  takeOver.lastAskedAt = now;
  takeOver.answeredBy = new Set([core.selfId]);
  for (const id of core.peerIds) core.send(id, { kind: "pre_vote", forTerm: nextTerm(core), tail: durableTail(core) });
}

/**
 * Nobody says yes while the leader is heard: what counts is that an answer comes. One whom a cut link parts from the voters
 * would depose its leader, and win nothing.
 */
export function onAnswerToPreferred(core: Core, from: NodeId): void {
  const { leaderId, takeOver } = core;
  if (leaderId === null || takeOver.answeredBy === null) return;
  takeOver.answeredBy.add(from);
  if (takeOver.answeredBy.size < core.quorum) return;
  takeOver.answeredBy = null;
  core.send(leaderId, { kind: "take_over" });
}
