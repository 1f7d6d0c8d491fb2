import type { Height } from "../shared/ids.js";
import type { LogEntry } from "./log-view.js";
import type { RecentEvent } from "./types.js";

/** A forwarder retries within a request timeout, so older ids than these need no check. */
const RECENT_IDS_MIN = 100_000;

interface Age {
  readonly ids: string[];
  readonly height: Height;
  readonly at: number;
}

const keyOf = (sourceAppId: string, idempotencyKey: string): string => `${sourceAppId}\u0000${idempotencyKey}`;

/**
 * Which events this log holds, by id (the newest ones) and by idempotency key (those that the projection cannot find
 * yet). Filled as blocks enter the log, undone with a replaced tail, so a new leader has it before its first proposal.
 */
export class Duplicates {
  private readonly heightById = new Map<string, Height>();
  /** Events that came together, oldest first. */
  private ages: Age[] = [];
  private agesStart = 0;
  private readonly heightByKey = new Map<string, Height>();
  private unprojected: { key: string; sequence: number; height: Height }[] = [];
  private unprojectedStart = 0;

  constructor(private readonly keepMs: number) {}

  addRecent(event: RecentEvent, now: number): void {
    const { id, height } = event;
    this.heightById.set(id, height);
    const newest = this.ages.at(-1);
    if (newest?.height === height && newest.at === now) newest.ids.push(id);
    else this.ages.push({ ids: [id], height, at: now });
    if (event.idempotencyKey === undefined) return;
    const key = keyOf(event.sourceAppId, event.idempotencyKey);
    this.heightByKey.set(key, height);
    this.unprojected.push({ key, sequence: event.sequence, height });
  }

  /** What was stored before this replica began counts as old from now on, not earlier. */
  begin(now: number): void {
    this.ages = this.ages.map((age) => ({ ...age, at: now }));
  }

  add(entry: LogEntry, now: number): void {
    const { height } = entry.next;
    for (const { record } of entry.events) {
      const { id, sourceAppId, sequence, idempotencyKey } = record;
      this.addRecent(
        { id, sourceAppId, sequence, height, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) },
        now,
      );
    }
    this.evict(now);
  }

  /** Undoes blocks that were replaced, so that their writes can be logged anew. */
  remove(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      for (const { record } of entry.events) {
        if (this.heightById.get(record.id) === entry.next.height) this.heightById.delete(record.id);
        if (record.idempotencyKey === undefined) continue;
        const key = keyOf(record.sourceAppId, record.idempotencyKey);
        if (this.heightByKey.get(key) === entry.next.height) this.heightByKey.delete(key);
      }
    }
    const lowest = entries[0]?.next.height;
    while (lowest !== undefined && (this.unprojected.at(-1)?.height ?? 0) >= lowest) this.unprojected.pop();
    this.unprojectedStart = Math.min(this.unprojectedStart, this.unprojected.length);
  }

  /** Keys below `treeSize` can be found in the projection from now on. */
  projected(treeSize: number): void {
    let start = this.unprojectedStart;
    for (; start < this.unprojected.length; start++) {
      const oldest = this.unprojected[start] as { key: string; sequence: number; height: Height };
      if (oldest.sequence >= treeSize) break;
      if (this.heightByKey.get(oldest.key) === oldest.height) this.heightByKey.delete(oldest.key);
    }
    this.unprojectedStart = start;
    if (start > 1_024 && start * 2 > this.unprojected.length) {
      this.unprojected = this.unprojected.slice(start);
      this.unprojectedStart = 0;
    }
  }

  get ids(): number {
    return this.heightById.size;
  }
  get keys(): number {
    return this.heightByKey.size;
  }

  heightOfId(id: string): Height | undefined {
    return this.heightById.get(id);
  }
  heightOfKey(sourceAppId: string, idempotencyKey: string): Height | undefined {
    return this.heightByKey.get(keyOf(sourceAppId, idempotencyKey));
  }

  private evict(now: number): void {
    for (;;) {
      const oldest = this.ages[this.agesStart];
      if (oldest === undefined || this.heightById.size - oldest.ids.length < RECENT_IDS_MIN) break;
      if (now - oldest.at < this.keepMs) break;
      // An id whose first block was replaced stands again at another height: only its own age counts.
      for (const id of oldest.ids) if (this.heightById.get(id) === oldest.height) this.heightById.delete(id);
      this.agesStart += 1;
    }
    // Evicted ages still hold their ids, up to a block's worth each: never more of them than of those that count.
    if (this.agesStart * 2 > this.ages.length) {
      this.ages = this.ages.slice(this.agesStart);
      this.agesStart = 0;
    }
  }
}
