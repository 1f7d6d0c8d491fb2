import { canonicalText } from "../../shared/canonical.js";
import type { NodeId } from "../../shared/ids.js";
import { MEMBERS_MAX } from "../../shared/limits.js";
import type { BlockHeader } from "../../shared/log/block.js";
import type { Maintenance } from "../../shared/log/control.js";
import type { MaintenanceWindow } from "../../shared/protocol/alert.js";
import type { AlertRecord } from "../storage/port.js";

/** Windows of one node that are known, those recorded last; the log has them all. */
export const NODE_WINDOWS_MAX = 32;
/** Windows that one alert shows, those recorded first: a later one hides none. */
export const SHOWN_MAX = 4;

/** When persons said that they would work on which node, as the log has it. Nothing is judged by it: alerts say it beside. */
export class MaintenanceWindows {
  /** By node, in the order of the log. */
  private readonly nodes = new Map<NodeId, readonly MaintenanceWindow[]>();

  /** Takes what a committed block says; what is known already, or was said before in the same words, is passed over. */
  take({ control, height, sealedAt }: BlockHeader): void {
    if (control?.kind !== "maintenance") return;
    const { node, from, until, actor, reason } = control;
    const known = this.nodes.get(node) ?? [];
    // Members alone are announced; whoever leads may name others.
    if (this.nodes.size >= MEMBERS_MAX && !this.nodes.has(node)) return;
    const all = [...known, { node, from, until, actor, reason, height, recordedAt: sealedAt }].sort(
      (a, b) => a.height - b.height,
    );
    const firsts = new Map<string, MaintenanceWindow>();
    for (const window of all) if (!firsts.has(wordsOf(window))) firsts.set(wordsOf(window), window);
    this.nodes.set(node, [...firsts.values()].slice(-NODE_WINDOWS_MAX));
  }

  /** The newest first. */
  get all(): MaintenanceWindow[] {
    return [...this.nodes.values()].flat().sort((a, b) => b.height - a.height);
  }

  find(said: Maintenance): MaintenanceWindow | null {
    return this.nodes.get(said.node)?.find((window) => wordsOf(window) === wordsOf(said)) ?? null;
  }

  /** With the windows of the node that it is about; whatever it says of them itself is not believed. */
  annotated({ maintenance: _maintenance, ...alert }: AlertRecord): AlertRecord {
    const times = timesOf(alert).map((text) => Date.parse(text));
    const covering = (this.nodes.get(alert.accused) ?? []).filter(({ from, until }) =>
      times.some((at) => Date.parse(from) <= at && at < Date.parse(until)),
    );
    return covering.length === 0 ? alert : { ...alert, maintenance: covering.slice(0, SHOWN_MAX) };
  }
}

const wordsOf = ({ node, from, until, actor, reason }: Maintenance): string =>
  canonicalText({ node, from, until, actor, reason });

/** When it was found, for the first time and anew, and when the place was changed. */
const timesOf = ({ openedAt, changedAt, history = [] }: AlertRecord): string[] => [
  openedAt,
  ...(changedAt === undefined ? [] : [changedAt]),
  ...history.flatMap(({ action, at }) => (action === "reopened" ? [at] : [])),
];
