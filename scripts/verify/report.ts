import type { Difference } from "./fault.js";
import { type Findings, type Head, headText } from "./findings.js";

/** What a run has found. */
export interface Result {
  readonly what: string;
  readonly nodes: readonly string[];
  readonly blocks: number;
  /** Null where no whole log was looked at. */
  readonly head: Head | null;
  readonly findings: Findings;
  readonly silent: readonly string[];
  readonly seconds: number;
}

const SHOWN_MAX = 10;

export const isVerified = ({ findings, silent }: Result): boolean => findings.count === 0 && silent.length === 0;

/** For people. The head stands by itself, so that it can be kept. */
export function describe(result: Result): string[] {
  const { what, nodes, blocks, head, findings, silent, seconds } = result;
  const size = head === null ? "" : `${head.size} events in ${blocks} blocks, `;
  const lines = [`${what}: ${size}${nodes.join(", ")}, ${seconds.toFixed(1)} s.`];
  for (const note of findings.notes) lines.push(note);
  for (const one of silent) lines.push(`Not verified: ${one}`);
  for (const one of findings.kept.slice(0, SHOWN_MAX)) lines.push(`NOT WHAT WAS COMMITTED: ${sentenceOf(one)}`);
  const more = findings.count - Math.min(findings.kept.length, SHOWN_MAX);
  if (more > 0) lines.push(`… and ${more} more.`);
  if (isVerified(result)) lines.push(head === null ? "Verified." : `Verified: ${headText(head)}`);
  if (findings.count > 0)
    lines.push(
      "",
      "What to do: docs/operating/verifying.md. Keep the node's data as they are until somebody has looked at them.",
    );
  return lines;
}

/** `n2, block 12, event 340, dataPayload.amount: …`. */
export function sentenceOf({ node, height, sequence, field, detail, stored, expected }: Difference): string {
  const place = [
    node,
    ...(height === undefined ? [] : [`block ${height}`]),
    ...(sequence === undefined ? [] : [`event ${sequence}`]),
    field,
  ].join(", ");
  const values = [
    ...(stored === undefined ? [] : [`found ${stored}`]),
    ...(expected === undefined ? [] : [`expected ${expected}`]),
  ].join(", ");
  return `${place}: ${detail}${values === "" ? "" : ` (${values})`}`;
}

export function jsonOf(result: Result): string {
  const { what, nodes, blocks, head, findings, silent, seconds } = result;
  return JSON.stringify({
    schemaVersion: 1,
    what,
    verified: isVerified(result),
    nodes,
    blocks,
    events: head?.size ?? null,
    head: head === null || findings.count > 0 ? null : headText(head),
    differences: findings.count,
    first: findings.kept[0] ?? null,
    kept: findings.kept,
    notVerified: silent,
    notes: findings.notes,
    seconds: Number(seconds.toFixed(3)),
  });
}

const EVERY_MS = 200;

/** A line on the terminal that is written over again and again; nothing where there is no terminal. */
export class Progress {
  #shownAt = 0;

  constructor(private readonly stream: NodeJS.WriteStream) {}

  show(done: number, of: number, unit: string): void {
    const now = performance.now();
    if (!this.stream.isTTY || now - this.#shownAt < EVERY_MS) return;
    this.#shownAt = now;
    const share = of === 0 ? "" : ` (${Math.floor((100 * done) / of)} %)`;
    this.stream.write(`\r  ${done} of ${of} ${unit}${share} \u001b[K`);
  }

  end(): void {
    if (this.stream.isTTY) this.stream.write("\r\u001b[K");
  }
}
