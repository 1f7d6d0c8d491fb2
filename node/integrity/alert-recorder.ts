import type { Logger } from "pino";
import type { Input, ReplicaView } from "../../cluster/types.js";
import { fromHex, toHex } from "../../shared/bytes.js";
import { canonicalBytes } from "../../shared/canonical.js";
import type { HashHex, NodeId } from "../../shared/ids.js";
import {
  ALERT_FIELD_CHARACTERS_MAX,
  ALERT_FIELDS_MAX,
  ALERT_NOTES_MAX,
  ALERT_RANGES_MAX,
  ALERT_RECORDS_BYTES_MAX,
} from "../../shared/limits.js";
import type { BlockSigner, SignatureVerifier } from "../../shared/log/chain.js";
import { type AlertNote, type AlertRecords, alertRecordsBytes, alertRecordsSchema } from "../../shared/log/control.js";
import type { Clock } from "../clock.js";
import { ProblemError } from "../problems.js";
import type { PeerDesk } from "../service/parts.js";
import { cut } from "../storage/carried.js";
import type { AlertStep } from "../storage/incident.js";
import type { AlertRecord } from "../storage/port.js";
import type { AlertLog } from "./alert-log.js";
import { withRange } from "./ranges.js";

/** Between two control records of one node's: a storm of incidents must not fill the log. */
const RECORD_EVERY_MS = 5_000;
/** Clocks of two nodes need not agree to the millisecond. */
const TOO_SOON_MS = RECORD_EVERY_MS - 500;
/** What is found together comes within this time: then its record has its ranges. */
const SETTLED_MS = 1_000;
const LOOK_EVERY_MS = 250;
/** Alerts that wait to be recorded. */
const WAITING_MAX = 10_000;
const NOTES_BYTES_MAX = 24 * 1024;
const ANSWER_WITHIN_MS = 2_000;
/** Evidence that could not be read so often is left out of the record. */
const FAILURES_MAX = 20;

/** What a leader says of records that came before. */
export const HAS_ALREADY = "The log has these records already.";

export interface AlertRecorderParts {
  readonly nodeId: NodeId;
  readonly log: AlertLog;
  readonly signer: BlockSigner;
  readonly verifier: SignatureVerifier;
  readonly desk: Pick<PeerDesk, "handle" | "request">;
  readonly view: () => Pick<ReplicaView, "role" | "leaderId" | "clusterId" | "members"> | null;
  readonly submit: (input: Input) => void;
  readonly evidenceHash: (alert: AlertRecord) => Promise<HashHex>;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "warn">;
}

interface Waiting {
  alert: AlertRecord;
  readonly since: number;
  /** How often its evidence could not be read. */
  failures: number;
}

/** Has the steps of this node's alerts written to the log, and, while it leads, those of others. */
export class AlertRecorder {
  /** By id, the oldest first. */
  private readonly waiting = new Map<string, Waiting>();
  private sentAt = Number.NEGATIVE_INFINITY;
  private isSending = false;
  private readonly takenAt = new Map<NodeId, number>();
  private cancel: (() => void) | null = null;

  constructor(private readonly parts: AlertRecorderParts) {
    parts.desk.handle("log-alerts", async (records) => {
      this.takeFrom(records);
      return {};
    });
  }

  start(): void {
    this.cancel = this.parts.clock.every(LOOK_EVERY_MS, () => void this.look());
  }

  stop(): void {
    this.cancel?.();
  }

  /** What of it is not in the log yet has to come there. */
  record(alert: AlertRecord): void {
    const { since, failures } = this.waiting.get(alert.id) ?? { since: this.parts.clock.now(), failures: 0 };
    if (this.waiting.size >= WAITING_MAX && !this.waiting.has(alert.id)) return;
    this.waiting.set(alert.id, { alert, since, failures });
  }

  /** It is stored with what was found since it was told of. */
  onStored(alert: AlertRecord): void {
    const waiting = this.waiting.get(alert.id);
    if (waiting !== undefined) waiting.alert = alert;
  }

  private async look(): Promise<void> {
    const { clock, view } = this.parts;
    const now = clock.now();
    if (this.isSending || this.waiting.size === 0 || now - this.sentAt < RECORD_EVERY_MS) return;
    const seen = view();
    if (seen === null || seen.leaderId === null || seen.clusterId === "") return;
    this.isSending = true;
    try {
      const notes = await this.due(now);
      if (notes.length === 0) return;
      this.sentAt = now;
      const { nodeId, signer } = this.parts;
      await this.send(signedRecords(signer, seen.clusterId, { node: nodeId, notes }), seen.leaderId);
    } catch (err) {
      this.parts.logger.warn({ err }, "records of alerts were not taken by the leader: they are sent again");
    } finally {
      this.isSending = false;
    }
  }

  /** Whatever the log has by now is not due any more: that is how it is known to have arrived. */
  private async due(now: number): Promise<AlertNote[]> {
    const { log, nodeId } = this.parts;
    const notes: AlertNote[] = [];
    let bytes = 0;
    for (const [id, waiting] of this.waiting) {
      const { alert, since } = waiting;
      const last = log.lastStep(nodeId, id);
      const steps = (alert.history ?? []).filter(({ n }) => n > last);
      if (steps.length === 0) {
        this.waiting.delete(id);
        continue;
      }
      if (now - since < SETTLED_MS) continue;
      const hash = await this.evidenceHashOf(waiting);
      if (hash === "later") continue;
      for (const step of steps) {
        const note = noteOf(alert, step, hash);
        bytes += canonicalBytes(note).length;
        if (notes.length === ALERT_NOTES_MAX || (notes.length > 0 && bytes > NOTES_BYTES_MAX)) return notes;
        notes.push(note);
      }
    }
    return notes;
  }

  /** Evidence that cannot be read keeps no other alert out of the log, and its own not for ever. */
  private async evidenceHashOf(waiting: Waiting): Promise<HashHex | null | "later"> {
    const { evidenceHash, logger } = this.parts;
    if ((waiting.alert.evidence ?? []).length === 0 || waiting.failures >= FAILURES_MAX) return null;
    try {
      return await evidenceHash(waiting.alert);
    } catch (err) {
      waiting.failures += 1;
      logger.warn({ err }, `the evidence of alert ${waiting.alert.id} could not be read for its record in the log`);
      return "later";
    }
  }

  private async send(records: AlertRecords, leaderId: NodeId): Promise<void> {
    const { nodeId, desk } = this.parts;
    if (leaderId === nodeId) return this.takeFrom(records);
    const reply = await desk.request(leaderId, "log-alerts", records, { timeoutMs: ANSWER_WITHIN_MS });
    // This node's own copy of the log does not reach so far yet.
    if (reply.kind === "refused" && reply.detail === HAS_ALREADY) return;
    if (reply.kind !== "answered") throw new Error(reply.kind === "refused" ? reply.detail : "no answer");
  }

  /** As the leader: only what its finder has signed, what is new, and not more often than agreed. */
  private takeFrom(records: AlertRecords): void {
    const { view, verifier, submit, clock, log } = this.parts;
    const seen = view();
    if (seen?.role !== "leader" || seen.clusterId === "")
      throw new ProblemError("alert_conflict", "This node does not lead.");
    const key = seen.members.find(({ id }) => id === records.node)?.keys.block;
    const isSigned =
      key !== undefined && verifier.verify(key, alertRecordsBytes(seen.clusterId, records), fromHex(records.signature));
    if (!isSigned) throw new ProblemError("alert_conflict", "The records are not signed by the node that they name.");
    // Its own come here as they are: what followers cannot parse must not be sealed. Nor what is too large for a header.
    const isFit =
      alertRecordsSchema.safeParse(records).success && canonicalBytes(records).length <= ALERT_RECORDS_BYTES_MAX;
    if (!isFit) throw new ProblemError("alert_conflict", "The records are not what a block can have.");
    // Whoever sends old ones of another node again must not take that node's place.
    if (records.notes.every(({ id, n }) => n <= log.lastStep(records.node, id)))
      throw new ProblemError("alert_conflict", HAS_ALREADY);
    const now = clock.now();
    if (now - (this.takenAt.get(records.node) ?? Number.NEGATIVE_INFINITY) < TOO_SOON_MS)
      throw new ProblemError("alert_conflict", "Records of this node were taken a moment ago.");
    this.takenAt.set(records.node, now);
    submit({ kind: "log_alerts", now, wall: clock.wall(), records });
  }
}

export function signedRecords(
  signer: BlockSigner,
  clusterId: string,
  { node, notes }: Pick<AlertRecords, "node" | "notes">,
): AlertRecords {
  const signature = toHex(signer.sign(alertRecordsBytes(clusterId, { node, notes })));
  return { kind: "alert_records", node, notes, signature };
}

function noteOf(alert: AlertRecord, { n, action, at, actor, reason }: AlertStep, evidence: HashHex | null): AlertNote {
  const fields = [...new Set((alert.differences ?? []).map(({ field }) => cut(field, ALERT_FIELD_CHARACTERS_MAX)))];
  const { block } = alert.hashes ?? {};
  return {
    ...{ id: alert.id, n, action, at, alertKind: alert.kind, severity: alert.severity, accused: alert.accused },
    ...(alert.heights === undefined ? {} : { heights: fewer(alert.heights) }),
    ...(alert.sequences === undefined ? {} : { sequences: fewer(alert.sequences) }),
    ...(fields.length === 0 ? {} : { fields: fields.slice(0, ALERT_FIELDS_MAX) }),
    ...(block === undefined ? {} : { storedHash: cut(block.stored ?? "none", 64), committedHash: block.expected }),
    ...(evidence === null ? {} : { evidenceHash: evidence }),
    ...(actor === undefined ? {} : { actor }),
    ...(reason === undefined ? {} : { reason }),
  };
}

const fewer = (ranges: NonNullable<AlertRecord["heights"]>): [number, number][] =>
  ranges
    .reduce<ReturnType<typeof withRange>>((joined, range) => withRange(joined, range, ALERT_RANGES_MAX), [])
    .map(([first, last]) => [first, last]);
