import { expectTypeOf, it } from "vitest";
import type { AlertList, ClusterView, CopyView, ElectionView } from "../../dashboard/api/types.js";
import type { ClusterStatus, ElectionRecord, LogAlerts, NodeCopy } from "../../node/service/log-port.js";

// Checked by the compiler: the page imports nothing of the node, so nothing else holds the two together.
it("what the dashboard reads of answers is what nodes give", () => {
  expectTypeOf<ClusterStatus>().toExtend<ClusterView>();
  expectTypeOf<ElectionRecord>().toExtend<ElectionView>();
  expectTypeOf<NodeCopy>().toExtend<CopyView>();
  expectTypeOf<Awaited<ReturnType<LogAlerts["alerts"]>>>().toExtend<AlertList>();
});
