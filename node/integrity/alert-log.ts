import type { NodeId } from "../../shared/ids.js";
import type { BlockHeader } from "../../shared/log/block.js";
import type { AlertNote } from "../../shared/log/control.js";
import { isOver, resolutionBy, STEPS_MAX, statusAfter } from "../storage/alert-steps.js";
import type { AlertStep } from "../storage/incident.js";
import type { AlertRecord } from "../storage/port.js";

/**
 * What is kept here of one node's alerts, in number and in characters of JSON; the log has them all. A node that floods the
 * log with its alerts takes room from its own only: what is over goes first, then the oldest.
 */
export const NODE_ALERTS_MAX = 2_000;
export const NODE_CHARACTERS_MAX = 4 * 1024 * 1024;
/** Alerts of one node whose newest step is known: more than a node can have, so that none is recorded twice. */
const NODE_STEPS_MAX = 16_384;

interface Logged {
  readonly node: NodeId;
  /** The newest note: ranges grow until then. */
  note: AlertNote;
  /** Of the block that has it. */
  height: number;
  readonly steps: Map<number, AlertStep>;
  characters: number;
}

/** What the log says of one node's alerts, in the order of their newest notes. */
class NodeAlerts {
  readonly logged = new Map<string, Logged>();
  readonly lastSteps = new Map<string, number>();
  /** Those that nobody has to do anything about. */
  private readonly over = new Set<string>();
  private characters = 0;

  constructor(private readonly node: NodeId) {}

  add(note: AlertNote, height: number): void {
    const known = this.logged.get(note.id);
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
    const newest = known === undefined || isNewest ? { note, height } : { note: known.note, height: known.height };
    this.forget(note.id);
    this.keep({ ...newest, node: this.node, steps, characters: JSON.stringify([newest, ...steps.values()]).length });
    this.noteStep(note.id, n);
    while (this.logged.size > NODE_ALERTS_MAX || this.characters > NODE_CHARACTERS_MAX) this.forgetOne();
  }

  private keep(logged: Logged): void {
    this.logged.set(logged.note.id, logged);
    if (isOver({ status: statusAfter(lastOf(logged).action) })) this.over.add(logged.note.id);
    this.characters += logged.characters;
  }

  private forget(id: string): void {
    this.characters -= this.logged.get(id)?.characters ?? 0;
    this.logged.delete(id);
    this.over.delete(id);
  }

  private forgetOne(): void {
    const [first] = this.over.size > 0 ? this.over : this.logged.keys();
    this.forget(first as string);
  }

  private noteStep(id: string, n: number): void {
    const last = Math.max(n, this.lastSteps.get(id) ?? -1);
    this.lastSteps.delete(id);
    this.lastSteps.set(id, last);
    if (this.lastSteps.size > NODE_STEPS_MAX) this.lastSteps.delete(this.lastSteps.keys().next().value as string);
  }
}

/** What the log says of all nodes' alerts: it stands whatever becomes of a node and its database. */
export class AlertLog {
  private readonly nodes = new Map<NodeId, NodeAlerts>();
  private through = 0;

  /** Takes what a committed block says; what was taken already is passed over. True if it says something new. */
  take({ control, height }: BlockHeader): boolean {
    if (control?.kind !== "alert_records") return false;
    const isNew = height > this.through;
    this.through = Math.max(this.through, height);
    const { node } = control;
    const alerts = this.nodes.get(node) ?? new NodeAlerts(node);
    // Members alone can have records in the log.
    this.nodes.set(node, alerts);
    for (const note of control.notes) alerts.add(note, height);
    return isNew;
  }

  /** The newest step that the log has of an alert; -1: none. */
  lastStep(node: NodeId, id: string): number {
    return this.nodes.get(node)?.lastSteps.get(id) ?? -1;
  }

  /** Whose ever it is; of one node, where that is known: another one may write what it likes under the same id. */
  find(id: string, node?: NodeId): AlertRecord | null {
    for (const [finder, { logged }] of this.nodes) {
      const found = node === undefined || finder === node ? logged.get(id) : undefined;
      if (found !== undefined) return recordOf(found);
    }
    return null;
  }

  /** Where the log has it, and the hash of its evidence then. */
  placeOf(node: NodeId, id: string): AlertRecord["inLog"] {
    const logged = this.nodes.get(node)?.logged.get(id);
    return logged === undefined ? undefined : placeOf(logged);
  }

  get all(): AlertRecord[] {
    return [...this.nodes.values()].flatMap(({ logged }) => [...logged.values()].map(recordOf));
  }

  /** What nobody has resolved of one node. */
  unresolvedOf(node: NodeId): AlertRecord[] {
    return [...(this.nodes.get(node)?.logged.values() ?? [])].map(recordOf).filter((alert) => !isOver(alert));
  }
}

const lastOf = ({ steps }: Logged): AlertStep => steps.get(Math.max(...steps.keys())) as AlertStep;

const placeOf = ({ height, note: { evidenceHash } }: Logged): NonNullable<AlertRecord["inLog"]> => ({
  height,
  ...(evidenceHash === undefined ? {} : { evidenceHash }),
});

/** As far as the log says it: names of fields and hashes, and no value. */
function recordOf(logged: Logged): AlertRecord {
  const { node, note, steps } = logged;
  const history = [...steps.values()].sort((a, b) => a.n - b.n);
  const last = lastOf(logged);
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
