import { utf8 } from "../../shared/bytes.js";
import { canonicalText } from "../../shared/canonical.js";
import { sha256Hex } from "../../shared/hash.js";
import type { AlertRecord, AlertStore } from "./port.js";

type Finding = Parameters<AlertStore["raise"]>[0];

/** Open alerts that are kept apart; beyond it a kind and an accused node share one, so that a liar cannot fill a disk. */
export const ALERTS_MAX = 10_000;
export const ALERT_DETAIL_CHARACTERS_MAX = 4_096;

/** 24 hex digits that are the same for the same node, kind, accused, height and sequence: two nodes' alerts are two. */
export function alertKey(alert: Pick<AlertRecord, "kind" | "node" | "accused" | "height" | "sequence">): string {
  const { kind, node, accused, height = null, sequence = null } = alert;
  return sha256Hex(utf8(canonicalText([kind, node, accused, height, sequence]))).slice(0, 24);
}

/** The finding without its place, for the alert that counts all of its kind and accused node; its detail says so. */
export function withoutPlace({ height, sequence, detail, ...general }: Finding): Finding {
  const place = height !== undefined ? `, at block ${height}` : sequence !== undefined ? `, at event ${sequence}` : "";
  const others = `${ALERTS_MAX} alerts are open: other findings of this kind about this node are only counted here.`;
  return { ...general, detail: `${others} The newest${place}: ${detail}` };
}
