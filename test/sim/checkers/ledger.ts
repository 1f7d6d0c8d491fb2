import { equalBytes } from "../../../shared/bytes.js";
import type { NodeId } from "../../../shared/ids.js";
import { EMPTY_CHAIN } from "../../../shared/log/chain.js";
import type { LoggedEvent, PreparedEvent } from "../../../shared/log/event.js";
import type { Disk } from "../disk.js";
import type { Outcome, Write } from "../requests.js";
import { rememberedVerdicts } from "../verdicts.js";
import { check } from "../violation.js";
import type { History } from "./history.js";

/** What the clients were told, held against what the cluster did: I3, I9 and "certainly not written". */
export class Ledger {
  acknowledged = 0;
  replays = 0;
  confirmedReads = 0;
  /** The highest block that some client was told is written. */
  private acknowledgedHeight = 0;
  /** The highest block that some reader was told is committed. */
  private confirmedHeight = 0;
  private readonly written: { write: Write; outcome: Extract<Outcome, { kind: "written" }> }[] = [];
  private readonly denied: Write[] = [];
  private readonly keysReused: Write[] = [];

  constructor(
    private readonly history: History,
    private readonly hasHeld: (node: NodeId, height: number) => boolean,
  ) {}

  onAnswer(write: Write, outcome: Outcome): void {
    if (outcome.kind === "not_written" || outcome.kind === "head_differs" || outcome.kind === "key_reused")
      this.denied.push(write);
    if (outcome.kind === "key_reused") this.keysReused.push(write);
    if (outcome.kind !== "written") return;
    this.acknowledged += 1;
    if (outcome.isReplay) this.replays += 1;
    this.acknowledgedHeight = Math.max(this.acknowledgedHeight, outcome.height);
    this.written.push({ write, outcome });
    this.checkWritten(write, outcome);
    for (const id of outcome.acknowledgedBy)
      check(
        this.hasHeld(id, outcome.height),
        "I5",
        () => `a client was told that ${id} holds block ${outcome.height}, and it does not`,
      );
  }

  /**
   * I10: a read that begins now must reflect all that was acknowledged, and all that a read that has ended has shown; the
   * returned function takes its answer.
   */
  beginRead(nodeId: string): (height: number | null) => void {
    const { acknowledgedHeight, confirmedHeight } = this;
    return (height) => {
      if (height === null) return;
      this.confirmedReads += 1;
      this.confirmedHeight = Math.max(this.confirmedHeight, height);
      const says = `${nodeId} confirms a read at ${height}`;
      check(height >= acknowledgedHeight, "I10", () => `${says}; ${acknowledgedHeight} was acknowledged before`);
      check(height >= confirmedHeight, "I10", () => `${says}; one that ended before it was shown ${confirmedHeight}`);
    };
  }

  /**
   * I10: a condition on the head is refused only where that was another one at some time since it was asked; the returned
   * function takes the answer.
   */
  beginCondition(ifPreviousHash: string): (outcome: Outcome) => void {
    const { events } = this.history;
    const size = events.length;
    return ({ kind }) => {
      const holds = events.length === size && (events.at(-1)?.event.hash ?? "") === ifPreviousHash;
      check(kind !== "head_differs" || !holds, "I10", () => `a condition on the head was refused, and it held`);
    };
  }

  /** I3: what a client was promised stands in the committed log, at that place, with that hash. */
  private checkWritten(write: Write, outcome: Extract<Outcome, { kind: "written" }>): void {
    const entry = this.history.committed[outcome.height - 1];
    check(entry !== undefined && outcome.events.length === write.events.length, "I3", () => {
      return `a client was promised block ${outcome.height} for its ${write.events.length} events`;
    });
    for (const [i, promised] of outcome.events.entries()) {
      const stored = entry.block.events.find((event) => event.record.sequence === promised.sequence);
      const asked = write.events[i];
      check(
        stored !== undefined && asked !== undefined && stored.hash === promised.hash,
        "I3",
        () => `promised event #${promised.sequence} is not in block ${outcome.height}`,
      );
      check(equalBytes(stored.payload, asked.payload), "I9", () => `#${promised.sequence} has another body`);
      const isSame =
        stored.record.id === asked.id ||
        (asked.idempotencyKey !== undefined && stored.record.idempotencyKey === asked.idempotencyKey);
      check(isSame && stored.record.sourceAppId === asked.sourceAppId, "I9", () => `#${promised.sequence} is not ours`);
      if (i === 0 && write.ifPreviousHash !== undefined && !outcome.isReplay)
        check(stored.record.previousHash === write.ifPreviousHash, "I9", () => "a condition on the head was not kept");
    }
  }

  /** At the end, with every node level: the promises once more, the denials, and one whole log from the beginning. */
  finish(disks: readonly Disk[]): void {
    for (const { write, outcome } of this.written) this.checkWritten(write, outcome);
    for (const { events } of this.denied)
      for (const { id } of events) {
        const at = this.history.sequenceOf(id);
        check(at === undefined, "I9", () => `event ${id} is #${at}, though its client was told "not written"`);
      }
    for (const write of this.keysReused) this.checkKeyReused(write);
    for (const disk of disks) this.checkDisk(disk);
    const [first] = disks;
    if (first !== undefined) verifyWhole(first);
  }

  /** I9: only who finds another request's event under its key is told that the key was used for another body. */
  private checkKeyReused({ events }: Write): void {
    const [first] = events;
    const key = first?.idempotencyKey;
    check(first !== undefined && key !== undefined, "I9", () => "a write without a key was told that its key is used");
    const holder = events
      .map(({ sourceAppId }) => this.history.holderOf(sourceAppId, key))
      .find((it) => it !== undefined);
    check(
      holder !== undefined,
      "I9",
      () => `a client was told that its key ${key} is used; nothing is logged under it`,
    );
    const { record } = holder.event;
    const begin = record.sequence - (record.batch?.[0] ?? 0);
    const logged = this.history.events.slice(begin, begin + (record.batch?.[1] ?? 1)).map(({ event }) => event);
    const isOther =
      logged.length !== events.length || events.some((event, i) => !isSameEvent(event, logged[i] as LoggedEvent));
    check(
      isOther,
      "I9",
      () => `#${record.sequence} is the client's own, which was told that its key ${key} is another's`,
    );
  }

  private checkDisk(disk: Disk): void {
    for (const [i, { hash }] of this.history.committed.entries())
      check(disk.at(i + 1)?.block.blockHash === hash, "I3", () => `a disk lacks committed block ${i + 1}`);
  }
}

const isSameEvent = (asked: PreparedEvent, { record, payload }: LoggedEvent): boolean =>
  record.eventType === asked.eventType &&
  record.sourceAppId === asked.sourceAppId &&
  (asked.isStampedHere === true || record.timestamp === asked.timestamp) &&
  equalBytes(payload, asked.payload);

/** I7: equal hashes make the other nodes' logs equal, so one whole verification serves all. */
function verifyWhole(disk: Disk): void {
  let state = EMPTY_CHAIN;
  for (let at = 1; at <= disk.tailHeight; at++) {
    const block = disk.at(at)?.block;
    check(block !== undefined, "I7", () => `block ${at} is missing`);
    const verdict = rememberedVerdicts(state, block);
    check(verdict.ok, "I7", () => `block ${block.header.height} does not verify`);
    state = verdict.next;
  }
}
