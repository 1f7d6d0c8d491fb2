import type { WordedAlert } from "../../../node/replica/wording.js";
import type { NodeId } from "../../../shared/ids.js";
import type { SimNode } from "../node.js";
import { check } from "../violation.js";

/** I8: an alert for every divergence that a node meets, and no alert without cause. */
export class AlertChecker {
  readonly raised: (WordedAlert & { readonly node: NodeId })[] = [];
  /** Who sends forged blocks, or did. */
  readonly liars = new Set<NodeId>();
  forgeriesFound = 0;
  alterationsFound = 0;
  private readonly expected = new Map<SimNode, Set<number>>();

  constructor(private readonly isExpected: (alert: WordedAlert) => boolean) {}

  onAlert(node: SimNode, alert: WordedAlert): void {
    this.raised.push({ node: node.id, ...alert });
    if (this.liars.has(alert.accused)) this.forgeriesFound += 1;
    check(
      this.isExpected(alert) || this.liars.has(alert.accused),
      "alert",
      () => `${node.id} accuses ${alert.accused} of ${alert.alertKind}: ${alert.detail}`,
    );
  }

  /** A node has read a block that somebody altered: before its next tick it must have said so. */
  mustFind(node: SimNode, height: number): void {
    const heights = this.expected.get(node) ?? new Set();
    this.expected.set(node, heights.add(height));
    const { boot } = node;
    node.process?.after(1, () => {
      if (node.boot !== boot) return;
      check(!heights.has(height), "I8", () => `${node.id} read its altered block ${height} and raised no alert`);
    });
  }

  /** It could not go on with what it read, and said so. */
  foundAll(node: SimNode): void {
    this.expected.get(node)?.clear();
  }

  found(node: SimNode, height: number): void {
    this.alterationsFound += 1;
    this.expected.get(node)?.delete(height);
  }
}
