import type { NodeId } from "../shared/ids.js";
import { WALL_MS_MAX } from "../shared/protocol/messages.js";
import { exactMillis, millisText } from "../shared/timestamp.js";
import type { Core } from "./core.js";
import type { ClockView } from "./types.js";

/** So far from the members' median a node's clock may be, and a leader's stamp. */
export const CLOCK_OFF_MS_MAX = 60_000;
/** What was heard longer ago, in election timeouts, names nobody. */
const FRESH_TIMEOUTS = 4;
/** So long a clock must be off before its node is named: after a pause the others' are heard anew one by one. */
const OFF_TIMEOUTS = 2;

/** What a node knows of the members' wall clocks. */
export class Clocks {
  /** What each member's clock shows when this node's monotonic one shows zero: a jump of its own changes nothing of it. */
  readonly heard = new Map<NodeId, { readonly zeroMs: number; readonly at: number }>();
  readonly offSince = new Map<NodeId, number>();
  /** Nodes about whose clock this node has raised an alert, since it is off. */
  readonly named = new Set<NodeId>();
  hasNamedItself = false;
  /** The step's wall clock as a number. */
  own = { wall: "", ms: 0 };
}

export interface MemberClock {
  readonly node: NodeId;
  readonly wallMs: number;
}

/** As a message can carry it. */
const inBounds = (ms: number): number => Math.min(Math.max(0, Math.round(ms)), WALL_MS_MAX);
/** A time without a text is taken for the beginning. */
export function ownWallMs({ clocks, wall }: Core): number {
  // Each message of a step carries it.
  if (clocks.own.wall !== wall) clocks.own = { wall, ms: inBounds(exactMillis(wall) ?? 0) };
  return clocks.own.ms;
}

/** Each message carries its sender's clock; a leader's append those that it knows, so that every member can compare its own. */
export function onClockHeard(core: Core, { node, wallMs }: MemberClock, at = core.now): void {
  if (core.peerIds.includes(node)) core.clocks.heard.set(node, { zeroMs: wallMs - core.now, at });
}

/** This node's own and those that were heard since `since`. */
export function clocksSince(core: Core, since = Number.NEGATIVE_INFINITY): MemberClock[] {
  const known: MemberClock[] = [{ node: core.selfId, wallMs: ownWallMs(core) }];
  for (const node of core.peerIds) {
    const heard = core.clocks.heard.get(node);
    if (heard !== undefined && heard.at >= since) known.push({ node, wallMs: inBounds(heard.zeroMs + core.now) });
  }
  return known;
}

export const freshClocks = (core: Core): MemberClock[] =>
  clocksSince(core, core.now - FRESH_TIMEOUTS * core.config.electionTimeoutMs);

/** The one in the middle; of an even number, the two. */
function middle(clocks: readonly MemberClock[]): { readonly low: number; readonly high: number } {
  const sorted = clocks.map(({ wallMs }) => wallMs).sort((a, b) => a - b);
  return { low: sorted[(sorted.length - 1) >> 1] as number, high: sorted[sorted.length >> 1] as number };
}

/**
 * The time that a leader seals with: its own, but no further from the median of the clocks that are known than a minute.
 * It takes the earlier of two: what is stamped too early passes, what is stamped too late stays.
 */
export function sealingTime(core: Core): string {
  const own = ownWallMs(core);
  const { low } = middle(clocksSince(core));
  const bounded = Math.min(Math.max(own, low - CLOCK_OFF_MS_MAX), low + CLOCK_OFF_MS_MAX);
  return bounded === own ? core.wall : (millisText(bounded) ?? core.wall);
}

/** Nobody can say which of two clocks that differ is off. */
export function onClockTick(core: Core): void {
  const { clocks, now } = core;
  const fresh = freshClocks(core);
  const off = clocksOff(fresh);
  for (const node of [...clocks.offSince.keys()]) {
    if (off.some((one) => one.node === node)) continue;
    clocks.offSince.delete(node);
    if (node === core.selfId) clocks.hasNamedItself = false;
    if (clocks.named.delete(node)) core.note({ code: "clock_right", node });
  }
  for (const { node, offMs } of off) {
    if (!clocks.offSince.has(node)) clocks.offSince.set(node, now);
    if (isClockOff(core, node)) name(core, node, offMs);
  }
}

export const isClockOff = ({ clocks, now, config }: Core, node: NodeId): boolean =>
  now - (clocks.offSince.get(node) ?? now) > OFF_TIMEOUTS * config.electionTimeoutMs;

/** Whose clocks are off, and how far from the median; negative is behind. */
export const clockViews = (core: Core): ClockView[] =>
  clocksOff(freshClocks(core)).filter(({ node }) => isClockOff(core, node));

function clocksOff(fresh: readonly MemberClock[]): ClockView[] {
  let earliest = Number.POSITIVE_INFINITY;
  let latest = 0;
  for (const { wallMs } of fresh) {
    earliest = Math.min(earliest, wallMs);
    latest = Math.max(latest, wallMs);
  }
  // Mostly none is even that far from another.
  if (latest - earliest <= CLOCK_OFF_MS_MAX) return [];
  const { low, high } = middle(fresh);
  const offOf = (wallMs: number): number => (wallMs > high ? wallMs - high : Math.min(0, wallMs - low));
  return fresh
    .map(({ node, wallMs }) => ({ node, offMs: offOf(wallMs) }))
    .filter(({ offMs }) => Math.abs(offMs) > CLOCK_OFF_MS_MAX);
}

/** Once: the leader raises an alert, and each node says it of itself. */
function name(core: Core, node: NodeId, offMs: number): void {
  const { clocks } = core;
  if (core.role === "leader" && !clocks.named.has(node)) {
    clocks.named.add(node);
    core.alert({ alertKind: "clock_off", accused: node, finding: { code: "clock_off", offMs } });
  } else if (core.role !== "leader" && node === core.selfId && !clocks.hasNamedItself) {
    clocks.hasNamedItself = true;
    core.note({ code: "own_clock_off", offMs });
  }
}
