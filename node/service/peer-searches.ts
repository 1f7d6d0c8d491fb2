import type { Height, NodeId } from "../../shared/ids.js";
import { NAMED_EVENTS_MAX } from "../../shared/limits.js";
import type { EventFilter } from "../../shared/log/filter.js";
import type { AnswerOf, AnswerTo, QuestionTo } from "../../shared/protocol/requests.js";
import type { Clock } from "../clock.js";
import { ProblemError } from "../problems.js";
import { AlteredBlock } from "../replica/anchors.js";
import type { ProvedBlock } from "../replica/proved-block.js";
import { StoreError } from "../storage/port.js";
import { AskedInTurn, type AskLimits } from "./asked-in-turn.js";
import type { Counts } from "./histogram.js";
import type { Counted, HistogramRequest, PageRequest, ReadCondition } from "./log-port.js";
import {
  BLOCKS_AT_ONCE,
  type Ended,
  type Found,
  IndexDiffers,
  PageBuilder,
  type Search,
  type WalkedHits,
} from "./page-builder.js";
import type { PeerDesk } from "./parts.js";
import type { BlockSource } from "./sound-blocks.js";

const LIMITS: AskLimits = { atOnceMax: 2, answerMsMax: 2_000, askMsMax: 4_000 };

/** What another node says that a search finds. */
interface Named extends Ended {
  readonly events: readonly { readonly sequence: number; readonly height: Height }[];
}

type Path = "find" | "count" | "histogram";
type FoundOf<P extends Path> = NonNullable<AnswerOf<P>["found"]>;
export type Total = Pick<Counted, "total" | "isCapped">;

/** What this node's own index and log say, without asking anybody. They throw what searches throw, or ProblemError. */
export interface OwnSearches {
  page(request: PageRequest): Promise<Found>;
  count(filter: EventFilter, range: { high: number; cap: number }): Promise<Total>;
  histogram(request: HistogramRequest): Promise<Counts>;
}

export interface PeerSearchesParts {
  readonly desk: Pick<PeerDesk, "handle" | "request" | "others">;
  readonly clock: Pick<Clock, "now">;
  readonly own: OwnSearches;
  readonly isInDoubt: () => boolean;
  readonly indexedPaths: () => readonly string[];
  readonly awaitReadable: (condition: ReadCondition) => Promise<void>;
  readonly commitHeight: () => Height;
  readonly onIndexDiffers: (at: Height) => void;
}

const NOT_ASKED =
  "An alert about this node's index is open, and too many filtered reads already wait for what other nodes find. Try again, " +
  "or ask another node.";

/**
 * Searches on another node's index while this node's own is in doubt, and the answers to those of others, which rest on
 * this node's alone. That nothing is missing is the other's word; of what it names each event is read and compared here.
 */
export class PeerSearches {
  private readonly asked: AskedInTurn;

  constructor(private readonly parts: PeerSearchesParts) {
    const { desk, clock, own } = parts;
    this.asked = new AskedInTurn(desk.others, clock, LIMITS);
    desk.handle("find", (asked) => this.answer(asked.filter, asked.high, async () => namesOf(await own.page(asked))));
    desk.handle("count", (asked) => this.answer(asked.filter, asked.high, () => own.count(asked.filter, asked)));
    desk.handle("histogram", (asked) => this.answer(asked.filter, asked.size, () => own.histogram(asked)));
  }

  /** Null, as of all of these: no other node has said it. */
  page(request: PageRequest): Promise<{ readonly peer: NodeId; readonly found: Named } | null> {
    const { filter, order, low, high, skip = 0 } = request;
    const limit = Math.min(request.limit, NAMED_EVENTS_MAX);
    if (low >= high || limit < 1) return Promise.resolve(null);
    const question = { filter, order, low, high, skip, limit };
    return this.ask("find", question, (found) => this.canBe(found, { ...request, limit }));
  }

  count(filter: EventFilter, { high, cap }: { high: number; cap: number }) {
    return this.ask("count", { filter, high, cap }, ({ total }) => total <= Math.min(cap, high));
  }

  histogram({ filter, since, until, buckets, size }: HistogramRequest) {
    const question = { filter, since, until, buckets, size };
    return this.ask("histogram", question, ({ edges, counts }) => counts.length === Math.max(0, edges.length - 1));
  }

  private async ask<P extends Path>(path: P, question: QuestionTo<P>, canBe: (found: FoundOf<P>) => boolean) {
    let wasAsked = this.parts.desk.others.length === 0;
    const told = await this.asked.ask(async (peer, timeoutMs) => {
      wasAsked = true;
      const reply = await this.parts.desk.request(peer, path, question, { timeoutMs });
      const found = reply.kind === "answered" ? (reply.answer.found as FoundOf<P> | null) : null;
      return found !== null && canBe(found) ? found : null;
    });
    // What this node's own index says in doubt is for when no other node has a better word, not for when none was asked.
    if (told === null && !wasAsked) throw new ProblemError("overloaded", NOT_ASKED, { retryAfterSeconds: 1 });
    return told;
  }

  /** In order, in the range, and further than it began: a reader goes on from where it ends. */
  private canBe({ events, next, isCutOff }: Named, { order, low, high, limit }: PageRequest): boolean {
    const isAsc = order === "asc";
    const through = this.parts.commitHeight();
    let last = isAsc ? low - 1 : high;
    for (const { sequence, height } of events) {
      const isNext = isAsc ? sequence > last && sequence < high : sequence < last && sequence >= low;
      if (!isNext || height < 1 || height > through) return false;
      last = sequence;
    }
    if (events.length > limit) return false;
    if (next === null) return true;
    return (isAsc ? next > last : next < last) && (events.length > 0 || isCutOff);
  }

  /** Null where it cannot be said by this node's own index, or not of as much of the log as is asked for. */
  private async answer<T>(filter: EventFilter, size: number, own: () => Promise<T>): Promise<{ found: T | null }> {
    const { isInDoubt, indexedPaths, awaitReadable, onIndexDiffers } = this.parts;
    const paths = indexedPaths();
    if (isInDoubt() || filter.payload?.some(({ path }) => !paths.includes(path)) === true) return { found: null };
    try {
      await awaitReadable(size > 0 ? { minSequence: size - 1 } : {});
      const found = await own();
      return { found: isInDoubt() ? null : found };
    } catch (error) {
      if (error instanceof IndexDiffers) onIndexDiffers(error.height);
      else if (!(error instanceof AlteredBlock || error instanceof StoreError || error instanceof ProblemError))
        throw error;
      return { found: null };
    }
  }
}

const namesOf = ({ events, next, isCutOff }: Found): AnswerTo<"find">["found"] => ({
  events: events.map(({ sequence, block }) => ({ sequence, height: block.height })),
  next,
  isCutOff,
});

/** The page of events that another node has named, from this node's log; what does not meet the filter is left out. */
export async function pageOf({ events, ...ended }: Named, search: Search, blocks: BlockSource): Promise<Found> {
  const page = new PageBuilder({ ...search, skip: 0 }, blocks);
  const heights = [...new Set(events.map((event) => event.height))];
  try {
    for (let i = 0; i < heights.length; ) {
      const read = await blocks.read(heights.slice(i, i + BLOCKS_AT_ONCE));
      if (page.takeAtHand(read.map((block) => hitsNamed(block, events))) === false) return page.end(null);
      i += read.length;
    }
  } catch (error) {
    return page.endBefore(error);
  }
  const found = page.end(ended);
  // Where nothing that was named is so, asking it for what follows could go on as long as the log is.
  return found.events.length === 0 && found.next !== null ? { ...found, isCutOff: true } : found;
}

/** Whether they meet the filter their block says. */
function hitsNamed(block: ProvedBlock, events: Named["events"]): WalkedHits {
  const { height: at, firstSequence: first, eventCount: count } = block.header;
  const isIts = (event: Named["events"][number]): boolean =>
    event.height === at && event.sequence >= first && event.sequence < first + count;
  const named = events.flatMap((event) => (isIts(event) ? [event.sequence - first] : []));
  return { height: at, first, count, sure: [], unsure: named, block };
}

/** A range of `recordedAt` is a range of heights, which headers tell. */
export const restsOnEntries = (filter: EventFilter): boolean =>
  Object.keys(filter).some((name) => name !== "recordedSince" && name !== "recordedUntil");
