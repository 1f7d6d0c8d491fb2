import { useCallback, useMemo } from "react";
import { useAlerts, useCluster } from "../api/queries.js";
import type { AlertView } from "../api/types.js";
import { isOver } from "./standing.js";

const NONE: readonly AlertView[] = [];

const isAt = ({ sequences = [], sequence: first }: AlertView, sequence: number): boolean =>
  sequence === first || sequences.some(([low, high]) => sequence >= low && sequence <= high);

/** What the accused nodes hold is not what was committed, and nobody has put it right yet. */
export function useOpenAlerts(): readonly AlertView[] {
  const alerts = useAlerts().data?.body.alerts ?? NONE;
  return useMemo(() => alerts.filter(({ severity, status }) => severity === "critical" && !isOver(status)), [alerts]);
}

/** Those that name an event. */
export function useAlertsAt(): (sequence: number) => readonly AlertView[] {
  const alerts = useOpenAlerts();
  return useCallback((sequence) => alerts.filter((alert) => isAt(alert, sequence)), [alerts]);
}

/** The accused nodes in words, and where that is told in full; both empty for none. */
export function useAccused(): (sequence: number) => { readonly nodes: string; readonly path: string } {
  const alertsAt = useAlertsAt();
  return useCallback(
    (sequence) => {
      const alerts = alertsAt(sequence);
      const [first] = alerts;
      if (first === undefined) return { nodes: "", path: "" };
      const nodes = [...new Set(alerts.map(({ accused }) => accused))].sort().join(", ");
      return { nodes, path: alerts.length === 1 ? `/alerts?alert=${first.id}` : "/alerts" };
    },
    [alertsAt],
  );
}

/** The alert that names an event of a node. */
export function useAlertAt(): (node: string, sequence: number) => AlertView | undefined {
  const alertsAt = useAlertsAt();
  return useCallback((node, sequence) => alertsAt(sequence).find(({ accused }) => accused === node), [alertsAt]);
}

/**
 * How many nodes hold an event, by their own word, without those that an open alert accuses: `2/3`. What is shown is
 * committed, so a majority had it before any of them was asked.
 */
export function useHolders(): (sequence: number) => string {
  const alertsAt = useAlertsAt();
  const { nodes, quorum = 0 } = useCluster().data?.body ?? {};
  return useCallback(
    (sequence) => {
      if (nodes === undefined) return "";
      const accused = new Set(alertsAt(sequence).map((alert) => alert.accused));
      const holding = nodes.filter(
        ({ id, role, lastSequence }) => role !== "unknown" && lastSequence >= sequence && !accused.has(id),
      );
      return `${Math.max(holding.length, accused.size === 0 ? quorum : 0)}/${nodes.length}`;
    },
    [alertsAt, nodes, quorum],
  );
}
