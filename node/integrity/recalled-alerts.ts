import type { Logger } from "pino";
import { type Height, height, type NodeId } from "../../shared/ids.js";
import type { BlockHeader } from "../../shared/log/block.js";
import type { HeldLog } from "../replica/held-log.js";
import { isOver } from "../storage/alert-steps.js";
import { BLOCK_KINDS } from "../storage/incident.js";
import type { IntegrityStore, ToldControl } from "../storage/integrity-port.js";
import type { AlertRecord, AlertStore } from "../storage/port.js";
import { AlertLog } from "./alert-log.js";
import { headerHash } from "./difference.js";
import type { Incidents } from "./incidents.js";
import { MaintenanceWindows } from "./maintenance-windows.js";

/** Control records, and alerts, that a start looks at; so many blocks of them are in memory at once, each of up to 4 MiB. */
const RECALLED_MAX = 4_096;
const RECALLED_AT_ONCE = 8;
const WINDOWS_RECALLED_MAX = 512;

export interface RecalledAlertsParts {
  readonly nodeId: NodeId;
  readonly store: Pick<IntegrityStore, "controlHeights" | "blocksAt">;
  readonly alerts: Pick<AlertStore, "list" | "get">;
  readonly committedAt: HeldLog["committedAt"];
  readonly incidents: Pick<Incidents, "find" | "takeBack">;
  /**
   * Since which block this node counts with the store that it has now; null: it does not count yet. Its earlier alerts are
   * about blocks of a store that it lost.
   */
  readonly storeSince: () => Promise<number | null>;
  /** What of it is not in the log yet has to come there. */
  readonly record: (alert: AlertRecord) => void;
  /** Told of another node's alert, as the log has it. */
  readonly onHeard: (alert: AlertRecord) => void;
  readonly isStopped: () => boolean;
  readonly logger: Pick<Logger, "warn">;
}

/** What the log says of alerts and of maintenance, over restarts: also of alerts of this node that its database lost. */
export class RecalledAlerts {
  readonly logged = new AlertLog();
  readonly windows = new MaintenanceWindows();
  /** The highest block that this process found in its database. */
  private storedAtStart = 0;

  constructor(private readonly parts: RecalledAlertsParts) {}

  onStart(storedAtStart: number): void {
    this.storedAtStart = storedAtStart;
  }

  /**
   * A committed block with records of alerts. Those of this node's own alerts are news only after a start that did not know
   * yet that the block is committed.
   */
  onRecords(header: BlockHeader): void {
    const { control } = header;
    this.windows.take(header);
    if (!this.logged.take(header) || control?.kind !== "alert_records") return;
    const alerts = [...new Set(control.notes.map((note) => note.id))].flatMap(
      (id) => this.logged.find(id, control.node) ?? [],
    );
    if (control.node !== this.parts.nodeId)
      for (const alert of alerts) this.parts.onHeard(this.windows.annotated(alert));
    // A node that copies its log anew has other blocks than those that its earlier alerts are about.
    else if (header.height <= this.storedAtStart)
      this.takeBack(alerts).catch((err) =>
        this.parts.logger.warn({ err }, "whether alerts of this node were lost here could not be read"),
      );
  }

  /** What the log says of the past, and what of this node's alerts is not in it yet. */
  async recall(through: Height): Promise<void> {
    const { alerts, logger, record } = this.parts;
    try {
      await this.takeControls("alert_records", through, RECALLED_MAX, (header) => this.logged.take(header));
      for (const alert of await alerts.list(RECALLED_MAX, "all")) record(alert);
      await this.takeBack(this.logged.unresolvedOf(this.parts.nodeId));
    } catch (err) {
      logger.warn(
        { err },
        "what the log says of alerts could not be read: only what is committed from now on is known",
      );
    }
  }

  /** Before anything is told, so that it is told with them. */
  async recallWindows(through: Height): Promise<void> {
    try {
      await this.takeControls("maintenance", through, WINDOWS_RECALLED_MAX, (header) => this.windows.take(header));
    } catch (err) {
      this.parts.logger.warn({ err }, "maintenance that was announced could not be read: alerts do not show it");
    }
  }

  private async takeControls(
    kind: ToldControl,
    through: Height,
    countMax: number,
    take: (header: BlockHeader) => void,
  ): Promise<void> {
    const { store, committedAt, isStopped } = this.parts;
    const heights = await store.controlHeights(kind, through, countMax);
    for (let i = 0; i < heights.length && !isStopped(); i += RECALLED_AT_ONCE)
      for (const { at, block } of await store.blocksAt(heights.slice(i, i + RECALLED_AT_ONCE))) {
        // One that cannot be proved hides no other.
        const proof = await committedAt(height(at)).catch(() => null);
        const isCommitted = headerHash({ at, block, frontier: [], rawHeader: block.header }) === proof?.blockHash;
        if (isCommitted) take(block.header);
      }
  }

  /** Whoever altered this node's blocks may have taken its alerts away, while it was down: the log still has them. */
  private async takeBack(logged: readonly AlertRecord[]): Promise<void> {
    const isMissing = async ({ id }: AlertRecord): Promise<boolean> =>
      this.parts.incidents.find(id) === null && (await this.parts.alerts.get(id)) === null;
    const since = await this.parts.storeSince();
    for (const alert of logged) {
      if (since === null || (alert.inLog?.height ?? since) < since) continue;
      if (!BLOCK_KINDS.has(alert.kind) || isOver(alert) || !(await isMissing(alert))) continue;
      this.parts.incidents.takeBack(alert);
    }
  }
}
