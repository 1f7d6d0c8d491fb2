import { setTimeout as sleep } from "node:timers/promises";
import { type AlertAnswer, ask, type ChainAnswer, type ClusterAnswer, NoAnswer } from "./api.js";
import type { ExpectedHead } from "./expected.js";
import { Fault } from "./fault.js";
import { Findings, type Head } from "./findings.js";
import { shown } from "./header.js";
import { LiveNode } from "./live-node.js";

/** Blocks that are asked of each node at once. */
const AT_ONCE = 8;
const CHAIN_EVENTS = 500;
const LEVEL_WITHIN_MS = 30_000;
const ALERT_WITHIN_MS = 5_000;
const LOOK_MS = 250;

export interface LiveOptions {
  readonly signatures: boolean;
  readonly expected: ExpectedHead | null;
  readonly onProgress: (done: number, of: number) => void;
}

export interface LiveResult {
  readonly nodes: readonly string[];
  readonly head: Head;
  readonly blocks: number;
  readonly findings: Findings;
  /** Nodes that could not be verified, and why. */
  readonly silent: readonly string[];
}

/** Verifies all nodes of a live cluster, of which one is given: each by itself, and against each other. */
export async function verifyCluster(url: string, options: LiveOptions): Promise<LiveResult> {
  const cluster = await ask<ClusterAnswer>(url, "/api/v1/cluster");
  const findings = new Findings();
  const through = Math.max(0, ...cluster.nodes.map(({ commitHeight }) => commitHeight ?? 0));
  if (through === 0) throw new NoAnswer(`${url} knows of no committed block yet.`);
  const asked = await Promise.all(
    cluster.nodes.map(async (node) => ({ ...node, silence: await levelAt(node, through) })),
  );
  const silent = asked.flatMap(({ id, silence }) => (silence === null ? [] : [`${id}: ${silence}`]));
  const nodes = asked
    .filter(({ silence }) => silence === null)
    .map(({ id, address }, i) => {
      const expected = i === 0 ? options.expected : null;
      return new LiveNode({ id, url: address, findings, signatures: options.signatures, expected });
    });
  const [first] = nodes;
  if (first === undefined) throw new NoAnswer(`No node answers: ${silent.join("; ")}`);
  await compareBlocks(nodes, through, findings, options.onProgress);
  try {
    // It is not known of one that was away meanwhile, which is not verified in any case.
    if (first.silence === null) options.expected?.end(first.chain.tree.size);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    findings.addFault(first.id, undefined, error);
  }
  const ids = nodes.map(({ id }) => id);
  await compareStored({ url: first.options.url, ids, size: first.chain.tree.size, findings, silent });
  for (const { id, silence } of nodes) if (silence !== null) silent.push(`${id}: ${silence}`);
  await nameFields(url, findings);
  const { tree } = first.chain;
  const head = { size: tree.size, root: tree.root };
  return { nodes: ids, head, blocks: through, findings, silent };
}

/** Waits until a node has what is to be compared; why it has not. */
async function levelAt({ id, address }: { id: string; address: string }, height: number): Promise<string | null> {
  const deadline = performance.now() + LEVEL_WITHIN_MS;
  for (;;) {
    try {
      await ask(address, `/api/v1/blocks/${height}`, id);
      return null;
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      if (error.code === "event_altered") return null;
      const isBehind = error.status === 404 || error.code === "not_ready";
      if (!isBehind) return error.message;
      if (performance.now() > deadline) return `it has not shown block ${height} (${error.message})`;
      await sleep(LOOK_MS);
    }
  }
}

async function compareBlocks(
  nodes: readonly LiveNode[],
  through: number,
  findings: Findings,
  onProgress: (done: number, of: number) => void,
): Promise<void> {
  for (let from = 1; from <= through; from += AT_ONCE) {
    const heights = Array.from({ length: Math.min(AT_ONCE, through - from + 1) }, (_, i) => from + i);
    const fetched = await Promise.all(nodes.map((node) => Promise.all(heights.map((height) => node.blockAt(height)))));
    for (const [i, height] of heights.entries()) {
      const judged = nodes.map((node, n) => node.judge(height, fetched[n]?.[i] as never, height === through));
      const hashes = await Promise.all(judged);
      const due = hashes.find((hash) => hash !== null);
      for (const [n, hash] of hashes.entries()) {
        if (hash === null || hash === due) continue;
        const detail = `it has another block at this height than ${nodes[hashes.indexOf(due as string)]?.id}`;
        const place = { node: nodes[n]?.id ?? "", height, field: "blockHash" };
        findings.add({ ...place, fault: "nodes_differ", detail, stored: hash, expected: due as string });
      }
      onProgress(height, through);
    }
  }
}

/** What each node's own database holds, as the node itself reads it past its memory. */
async function compareStored(of: {
  readonly url: string;
  readonly ids: readonly string[];
  readonly size: number;
  readonly findings: Findings;
  readonly silent: string[];
}): Promise<void> {
  const { url, ids, size, findings, silent } = of;
  const told = new Set<string>();
  for (let from = 0; from < size; from += CHAIN_EVENTS) {
    const count = Math.min(CHAIN_EVENTS, size - from);
    const { nodes } = await ask<ChainAnswer>(url, `/api/v1/chain?from=${from}&count=${count}`);
    for (const [node, why] of notShown(nodes, ids, { from, count })) {
      if (!told.has(node)) silent.push(`${node}: ${why}`);
      told.add(node);
    }
    const due = new Map<number, { hash: string; node: string }>();
    for (const { node, events, altered } of nodes) {
      for (const { height, from: sequence, detail: fault } of altered) {
        if (told.has(`${node} ${height}`)) continue;
        told.add(`${node} ${height}`);
        findings.add({
          node,
          height,
          sequence,
          field: "block",
          fault: "altered",
          detail: `its stored block is another one: ${fault}`,
        });
      }
      for (const { sequence, hash, height } of events) {
        const known = due.get(sequence);
        if (known === undefined) due.set(sequence, { hash, node });
        else if (known.hash !== hash) {
          const detail = `it has another event there than ${known.node}`;
          findings.add({
            node,
            height,
            sequence,
            field: "hash",
            fault: "nodes_differ",
            detail,
            stored: hash,
            expected: known.hash,
          });
        }
      }
    }
  }
}

/** The nodes that say nothing of their databases, or not of all of these events, and why. */
function notShown(
  nodes: ChainAnswer["nodes"],
  ids: readonly string[],
  { from, count }: { readonly from: number; readonly count: number },
): [node: string, why: string][] {
  return ids.flatMap((id): [string, string][] => {
    const { events = [], altered = [], detail } = nodes.find(({ node }) => node === id) ?? {};
    if (detail !== undefined) return [[id, detail]];
    const within = (at: number): number => Math.min(Math.max(at, from), from + count);
    const places = altered.map((one) => within(one.from + one.count) - within(one.from));
    const shownCount = places.reduce((sum, one) => sum + one, events.length);
    return shownCount < count
      ? [[id, `of its database ${shownCount} of ${count} events from ${from} on were shown`]]
      : [];
  });
}

/** The nodes themselves know which field of an altered block it is: by their alerts. */
async function nameFields(url: string, findings: Findings): Promise<void> {
  const deadline = performance.now() + ALERT_WITHIN_MS;
  const unnamed = (): number =>
    findings.kept.filter(({ field, fault }) => field === "block" && fault === "altered").length;
  for (;;) {
    const { alerts } = await ask<{ alerts: AlertAnswer[] }>(url, "/api/v1/alerts?limit=500").catch(() => ({
      alerts: [],
    }));
    for (const [i, one] of findings.kept.entries()) {
      if (one.field !== "block" || one.fault !== "altered") continue;
      const known = alerts.filter(({ node }) => node === one.node).flatMap(({ differences = [] }) => differences);
      const named = known.find(({ height }) => height === one.height);
      if (named === undefined) continue;
      const { field, sequence = one.sequence, stored, expected } = named;
      findings.kept[i] = {
        ...one,
        field,
        ...(sequence === undefined ? {} : { sequence }),
        ...(stored === undefined ? {} : { stored: shown(stored) }),
        ...(expected === undefined ? {} : { expected: shown(expected) }),
      };
    }
    if (unnamed() === 0 || performance.now() > deadline) break;
    await sleep(LOOK_MS);
  }
  try {
    const { alerts } = await ask<{ alerts: AlertAnswer[] }>(url, "/api/v1/alerts?limit=500");
    const critical = alerts.filter(({ severity }) => severity === "critical").length;
    if (critical > 0) findings.notes.push(`${critical} alerts are open: GET /api/v1/alerts.`);
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    findings.notes.push(`Whether alerts are open is not known: ${error.message}`);
  }
}
