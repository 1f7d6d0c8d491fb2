import { CLOCK_OFF_MS_MAX } from "../../../cluster/clocks.js";
import { majority } from "../../../cluster/quorum.js";
import type { NodeId } from "../../../shared/ids.js";
import type { Block } from "../../../shared/log/block.js";
import { exactMillis } from "../../../shared/timestamp.js";
import type { SimNode } from "../node.js";
import { check } from "../violation.js";

/** Messages take their time, and a monotonic clock runs up to a tenth too fast. */
const SLACK_MS = 10_000;

/** I14: a wall clock that is off moves no stamp further than a minute from the members' median, and no other node is named. */
export class ClockChecker {
  stampsBounded = 0;
  readonly named: NodeId[] = [];
  private readonly sealedAt = new Map<string, number>();

  constructor(private readonly nodes: () => readonly SimNode[]) {}

  onNewBlock(node: SimNode, { header, blockHash }: Block): void {
    const at = exactMillis(header.sealedAt) ?? 0;
    this.sealedAt.set(blockHash, at);
    if (header.leaderId !== node.id) return;
    const before = this.sealedAt.get(header.previousBlockHash) ?? 0;
    const latest = this.medianMax() + CLOCK_OFF_MS_MAX + SLACK_MS;
    if (node.wallMs > latest) this.stampsBounded += 1;
    check(
      at <= Math.max(before, latest),
      "clock",
      () => `${node.id} stamps block ${header.height} ${at - latest} ms later than the members' median allows`,
    );
  }

  /**
   * The latest that a leader can take for the median: it has heard a majority, itself among them, each at some time, and
   * takes the lower one of two in the middle.
   */
  private medianMax(): number {
    const nodes = this.nodes();
    const known = majority(nodes.length);
    const latest = nodes.map((it) => it.wallMs - it.wallOffsetMs + Math.max(...it.wallOffsetsMs)).sort((a, b) => a - b);
    return latest[((known - 1) >> 1) + nodes.length - known] as number;
  }

  onAlert(accused: NodeId): void {
    this.named.push(accused);
    const nodes = this.nodes();
    const offsets = nodes.find(({ id }) => id === accused)?.wallOffsetsMs ?? [];
    const differs = ({ wallOffsetsMs }: SimNode): boolean =>
      wallOffsetsMs.some((other) => offsets.some((own) => Math.abs(own - other) > CLOCK_OFF_MS_MAX - SLACK_MS));
    const others = nodes.filter((it) => it.id !== accused && differs(it)).length;
    check(others >= 2, "alert", () => `${accused} is accused of a clock that is off, and it is not`);
  }
}
