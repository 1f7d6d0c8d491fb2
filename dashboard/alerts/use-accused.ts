import { useCallback } from "react";
import { useAlerts } from "../api/queries.js";
import type { AlertView } from "../api/types.js";
import { isOver } from "./standing.js";

const NONE: readonly AlertView[] = [];

const isAt = ({ sequences = [], sequence: first }: AlertView, sequence: number): boolean =>
  sequence === first || sequences.some(([low, high]) => sequence >= low && sequence <= high);

function useStanding(): readonly AlertView[] {
  return useAlerts().data?.body.alerts ?? NONE;
}

/** Which nodes an open alert says to hold another event than the one that was committed; empty for none. */
export function useAccused(): (sequence: number) => string {
  const alerts = useStanding();
  return useCallback(
    (sequence) =>
      [
        ...new Set(
          alerts
            .filter((alert) => alert.severity === "critical" && !isOver(alert.status) && isAt(alert, sequence))
            .map(({ accused }) => accused),
        ),
      ]
        .sort()
        .join(", "),
    [alerts],
  );
}

/** The alert that names an event of a node. */
export function useAlertAt(): (node: string, sequence: number) => AlertView | undefined {
  const alerts = useStanding();
  return useCallback(
    (node, sequence) => alerts.find((alert) => alert.accused === node && isAt(alert, sequence)),
    [alerts],
  );
}
