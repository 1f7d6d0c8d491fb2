import type { NodeId } from "../../shared/ids.js";
import type { BlockHeader } from "../../shared/log/block.js";
import type { AlertNote } from "../../shared/log/control.js";
import { resolutionBy, statusAfter } from "../storage/alert-steps.js";
import type { AlertStep } from "../storage/incident.js";
import type { AlertRecord } from "../storage/port.js";

/** Alerts that are kept here, the newest; the log has them all. */
const ALERTS_MAX = 10_000;
const STEPS_MAX = 32;

interface Logged {
  readonly node: NodeId;
  /** The newest note: ranges grow until then. */
  note: AlertNote;
  /** Of the block that has it. */
  height: number;
  readonly steps: Map<number, AlertStep>;
}

/** What the log says of all nodes' alerts: it stands whatever becomes of a node and its database. */
export class AlertLog {
  private readonly logged = new Map<string, Logged>();
  private through = 0;

  /** Of a committed block; what was taken already is passed over. True if it says something new. */
  take({ control, height }: BlockHeader): boolean {
    if (control?.kind !== "alert_records") return false;
    const isNew = height > this.through;
    this.through = Math.max(this.through, height);
    for (const note of control.notes) this.add(control.node, note, height);
    return isNew;
  }

  /** The newest step that the log has of an alert; -1: none. */
  lastStep(node: NodeId, id: string): number {
    return Math.max(-1, ...(this.logged.get(`${node}/${id}`)?.steps.keys() ?? []));
  }

  /** Whose ever it is; of one node, where that is known: another one may write what it likes under the same id. */
  find(id: string, node?: NodeId): AlertRecord | null {
    for (const logged of this.logged.values())
      if (logged.note.id === id && (node === undefined || logged.node === node)) return recordOf(logged);
    return null;
  }

  /** Where the log has it, and the hash of its evidence then. */
  placeOf(node: NodeId, id: string): AlertRecord["inLog"] {
    const logged = this.logged.get(`${node}/${id}`);
    return logged === undefined ? undefined : placeOf(logged);
  }

  get all(): AlertRecord[] {
    return [...this.logged.values()].map(recordOf);
  }

  private add(node: NodeId, note: AlertNote, height: number): void {
    const key = `${node}/${note.id}`;
    const known = this.logged.get(key);
    const { n, action, at, actor, reason } = note;
    const step: AlertStep = {
      ...{ n, action, at },
      ...(actor === undefined ? {} : { actor }),
      ...(reason === undefined ? {} : { reason }),
    };
    const steps = known?.steps ?? new Map<number, AlertStep>();
    const isNewest = n >= Math.max(-1, ...steps.keys());
    steps.set(n, step);
    for (const old of [...steps.keys()].sort((a, b) => a - b).slice(1)) if (steps.size > STEPS_MAX) steps.delete(old);
    // The order of the map is the order of their newest notes.
    this.logged.delete(key);
    this.logged.set(key, {
      node,
      steps,
      note: known === undefined || isNewest ? note : known.note,
      height: known === undefined || isNewest ? height : known.height,
    });
    if (this.logged.size > ALERTS_MAX) this.logged.delete(this.logged.keys().next().value as string);
  }
}

const placeOf = ({ height, note: { evidenceHash } }: Logged): NonNullable<AlertRecord["inLog"]> => ({
  height,
  ...(evidenceHash === undefined ? {} : { evidenceHash }),
});

/** As far as the log says it: names of fields and hashes, and no value. */
function recordOf(logged: Logged): AlertRecord {
  const { node, note, steps } = logged;
  const history = [...steps.values()].sort((a, b) => a.n - b.n);
  const last = history.at(-1) as AlertStep;
  const resolution = resolutionBy(last.action);
  const { heights = [], sequences = [], fields = [] } = note;
  const [place] = heights[0] ?? [];
  const [first] = sequences[0] ?? [];
  return {
    id: note.id,
    kind: note.alertKind,
    severity: note.severity,
    node,
    accused: note.accused,
    ...(place === undefined ? {} : { height: place }),
    ...(first === undefined ? {} : { sequence: first }),
    detail: `${node} has recorded it in the log, and does not show its own record of it at present`,
    openedAt: history[0]?.at ?? last.at,
    lastSeenAt: last.at,
    occurrences: 1,
    status: statusAfter(last.action),
    ...(heights.length === 0 ? {} : { heights }),
    ...(sequences.length === 0 ? {} : { sequences }),
    ...(place === undefined || fields.length === 0
      ? {}
      : { differences: fields.map((field) => ({ height: place, field })) }),
    ...(resolution === null ? {} : { resolution }),
    history,
    inLog: placeOf(logged),
    isFromLogOnly: true,
  };
}
