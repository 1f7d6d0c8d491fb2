import { setTimeout as sleep } from "node:timers/promises";
import { shownView } from "../../node/http/routes/shapes.js";
import type {
  AppendOutcome,
  Counted,
  Found,
  FoundOne,
  LogAlerts,
  LogLeadership,
  LogMaintenance,
  LogReads,
  LogService,
  LogStatus,
  LogWrites,
  PageRequest,
  ReadCondition,
  WriteRequest,
} from "../../node/service/log-port.js";
import type { EventView, ShownEvent } from "../../shared/log/event.js";
import type { FoundEvent } from "../../shared/log/stored-event.js";

type StoredFields = Partial<Pick<EventView, "eventType" | "timestamp" | "sourceAppId">> & {
  readonly idempotencyKey?: string | undefined;
};

const unused = (): never => {
  throw new Error("this double of a log does not do that");
};

function foundView(view: EventView): FoundEvent {
  const event = shownView(view);
  return { sequence: event.sequence, hash: event.hash, payloadBytes: event.payload.length, shown: () => event };
}

/** For tests of the HTTP side: a log in memory whose appends take as long as the test says. */
export class MemoryLogService implements LogService, LogWrites, LogReads, LogLeadership, LogStatus {
  readonly writes = this;
  readonly reads = this;
  readonly leadership = this;
  readonly status = this;
  readonly nodeId = "n1";
  readonly stored: EventView[] = [];
  appendMs = 0;
  /** What a read waits for before it may be answered. */
  readable: (condition?: ReadCondition) => Promise<void> = async () => {};
  private readonly listeners = new Set<(events: readonly ShownEvent[]) => void>();

  get logSize(): number {
    return this.stored.length;
  }

  async append({ events }: WriteRequest): Promise<AppendOutcome> {
    await sleep(this.appendMs);
    const views = events.map((event) => this.store(event));
    return { events: views, acknowledgedBy: ["n1"], isReplay: false };
  }

  /** Commits one event at once. */
  store(event: StoredFields = {}): EventView {
    const view: EventView = {
      v: 1,
      sequence: this.stored.length,
      id: "0".repeat(24),
      eventType: event.eventType ?? "T",
      timestamp: event.timestamp ?? "2026-05-01T12:00:00.000Z",
      sourceAppId: event.sourceAppId ?? "S",
      dataPayload: {},
      payloadSalt: "00".repeat(16),
      payloadHash: "a".repeat(64),
      recordedAt: "2026-05-01T12:00:00.000Z",
      ...(event.idempotencyKey === undefined ? {} : { idempotencyKey: event.idempotencyKey }),
      previousHash: "",
      hash: "c".repeat(64),
      height: 1,
      term: 1,
    };
    this.stored.push(view);
    for (const listener of this.listeners) listener([shownView(view)]);
    return view;
  }

  awaitReadable(condition?: ReadCondition): Promise<void> {
    return this.readable(condition);
  }
  async get(sequence: number): Promise<FoundOne | null> {
    const view = this.stored[sequence];
    return view === undefined ? null : { event: foundView(view), from: [] };
  }
  async page({ filter, order, low, high, limit }: PageRequest): Promise<Found> {
    const found = this.stored.filter(
      ({ sequence, eventType, sourceAppId }) =>
        sequence >= low &&
        sequence < high &&
        (filter.eventType === undefined || filter.eventType === eventType) &&
        (filter.sourceAppId === undefined || filter.sourceAppId === sourceAppId),
    );
    if (order === "desc") found.reverse();
    const events = found.slice(0, limit).map(foundView);
    const last = events.at(-1);
    const next = last === undefined || found.length <= limit ? null : last.sequence + (order === "asc" ? 1 : -1);
    return { events, next, isCutOff: false, from: [] };
  }
  readonly indexedPaths = [];
  async count(): Promise<Counted> {
    return { total: this.stored.length, isCapped: false, from: [] };
  }
  histogram: LogReads["histogram"] = unused;
  leaderId: string | null = "n1";
  standing() {
    return { leaderId: this.leaderId, term: 1, isStale: false };
  }
  readiness() {
    return [];
  }
  subscribe(listener: (events: readonly ShownEvent[]) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  subscribeNotices(): () => void {
    return () => {};
  }
  copies: LogReads["copies"] = unused;
  block: LogReads["block"] = unused;
  chain: LogReads["chain"] = unused;
  clusterStatus = unused;
  admit = unused;
  readonly alerts: LogAlerts = { alerts: unused, alert: unused, evidence: unused, decide: unused, testWebhook: unused };
  readonly maintenance: LogMaintenance = { windows: () => [], record: unused };
  elections: LogLeadership["elections"] = unused;
  stepDown = unused;
}
