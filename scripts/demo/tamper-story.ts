import { Binary, MongoClient } from "mongodb";
import type { Cluster, ClusterNode } from "../cluster/cluster.js";
import { type Alert, call, decide, outcomeOf } from "../lib/alerts.js";
import { poll } from "../lib/processes.js";
import { verifyCluster } from "../verify/live.js";

const FOUND_WITHIN_MS = 120_000;
/** A node writes what it found, and what was decided, at most every five seconds. */
const IN_LOG_WITHIN_MS = 60_000;
const AMOUNT = { committed: 125_000, forged: 925_000 };

/** What the story came to. */
export interface Told {
  readonly alert: Alert;
  readonly sequence: number;
  readonly victim: string;
  /** What the log has of it, on every node; empty where it was not repaired. */
  readonly notes: readonly Note[];
  readonly isVerified: boolean;
}

/** A step, as a control record of the log has it. */
export interface Note {
  readonly height: number;
  readonly node: string;
  readonly id: string;
  readonly action: string;
  readonly actor?: string;
  readonly reason?: string;
}

/** Two minutes with a cluster: an event is changed in one node's MongoDB, found, repaired, and remembered. */
export async function tellTamperStory(cluster: Cluster, say: (line: string) => void): Promise<Told> {
  const { node: leader } = await cluster.leader();
  const victim = cluster.nodes.find(({ id }) => id !== leader.id) as ClusterNode;
  const { sequence, height } = await writeInvoices(leader, say);
  await waitFor(victim, sequence);

  say(
    `\n2. Somebody has the password of ${victim.id}'s MongoDB, and makes 125,000 a 925,000 there, in block ${height}:`,
  );
  await forge(victim, height);
  const changedAt = performance.now();
  say("   done. No node was told.");

  const alert = await poll(() => alertOn(leader, victim, sequence), { withinMs: FOUND_WITHIN_MS });
  if (alert === undefined) throw new Error(`No alert within ${FOUND_WITHIN_MS / 1_000} s.`);
  say(
    `\n3. ${((performance.now() - changedAt) / 1_000).toFixed(1)} s later every node tells of it (GET ${leader.url}/api/v1/alerts):`,
  );
  showAlert(alert, say);
  const read = await call<{ dataPayload?: { amount: number }; code?: string }>(
    `${victim.url}/api/v1/events/${sequence}`,
  );
  const shown = read.status === 200 ? `amount ${read.body.dataPayload?.amount}` : `${read.status} ${read.body.code}`;
  say(
    `   And ${victim.id} does not show the forged amount: GET ${victim.url}/api/v1/events/${sequence} answers ${shown}.`,
  );

  const isRepaired = await repair(leader, alert, say);
  const notes = isRepaired ? await showLog(cluster, { alert, from: height }, say) : [];
  const isVerified = isRepaired && (await verify(leader, say));
  return { alert, sequence, victim: victim.id, notes, isVerified };
}

async function writeInvoices(
  { url, id }: ClusterNode,
  say: (line: string) => void,
): Promise<{ sequence: number; height: number }> {
  say("1. Three nodes, each with a MongoDB of its own, log some invoices:");
  let place = { sequence: -1, height: -1 };
  for (const [customer, amount] of [
    ["ada", 99_000],
    ["bob", AMOUNT.committed],
    ["eve", 12_500],
  ] as const) {
    const event = { eventType: "invoice.approved", sourceAppId: "billing", dataPayload: { customer, amount } };
    const { status, body } = await call<{ sequence: number; height: number; acknowledgedBy: string[] }>(
      `${url}/api/v1/events`,
      event,
    );
    if (status !== 201) throw new Error(`${id} answered ${status} to an event.`);
    say(`   event ${body.sequence}: ${customer}, ${amount}, stored by ${body.acknowledgedBy.join(" and ")}`);
    if (amount === AMOUNT.committed) place = body;
  }
  return place;
}

async function waitFor({ url, id }: ClusterNode, sequence: number): Promise<void> {
  const isThere = () =>
    call(`${url}/api/v1/events/${sequence}`).then(
      ({ status }) => status === 200,
      () => false,
    );
  if (!(await poll(isThere, { withinMs: FOUND_WITHIN_MS }))) throw new Error(`${id} does not show event ${sequence}.`);
}

/** As a person would, with a client of MongoDB: other bytes in the stored payload. */
async function forge({ mongodbUri }: ClusterNode, height: number): Promise<void> {
  const client = await MongoClient.connect(mongodbUri);
  try {
    const blocks = client.db().collection<{ _id: number; payloads: Binary }>("blocks");
    const block = await blocks.findOne({ _id: height });
    if (block === null) throw new Error(`Block ${height} is not there.`);
    const bytes = Buffer.from(block.payloads.value());
    bytes.write(String(AMOUNT.forged), bytes.indexOf(String(AMOUNT.committed)));
    await blocks.updateOne({ _id: height }, { $set: { payloads: new Binary(bytes) } });
  } finally {
    await client.close();
  }
}

async function alertOn(asked: ClusterNode, victim: ClusterNode, sequence: number): Promise<Alert | undefined> {
  const { body } = await call<{ alerts: Alert[] }>(`${asked.url}/api/v1/alerts`);
  return body.alerts.find(
    (alert) => alert.node === victim.id && alert.sequence === sequence && alert.differences !== undefined,
  );
}

function showAlert({ kind, node, agreeing = [], differences = [] }: Alert, say: (line: string) => void): void {
  say(`   kind     ${kind}`);
  say(`   node     ${node}`);
  for (const { sequence, field, stored, expected } of differences) {
    say(`   event    ${sequence}`);
    say(`   field    ${field}`);
    say(`   found    ${JSON.stringify(stored)}`);
    say(`   was      ${JSON.stringify(expected)}, as ${agreeing.join(" and ")} have it, and as its leader signed it`);
  }
}

/** A person decides, and the log remembers who and why. */
async function repair({ url }: ClusterNode, { id }: Alert, say: (line: string) => void): Promise<boolean> {
  const { isTaken, status, detail } = await decide(url, {
    ...{ id, action: "repair", actor: "you", reason: "the demonstration is over" },
  });
  if (!isTaken) {
    say(`\n4. It is not repaired (${status}). ${detail}`);
    return false;
  }
  const repaired = await outcomeOf(url, id);
  if (repaired.status !== "resolved") throw new Error(`The alert is ${repaired.status} after the repair.`);
  say(`\n4. You decide to repair it (POST ${url}/api/v1/alerts/${id}/repair with your name and a reason).`);
  say("   The committed block comes from another node, and is proved by the hash chain before it replaces anything.");
  return true;
}

interface BlockAnswer {
  readonly header?: {
    readonly control?: { readonly kind: string; readonly node: string; readonly notes?: readonly Omit<Note, "node">[] };
  };
}

/** The control records of the log as each node shows them. A record has steps, names of fields and hashes, and no value. */
async function showLog(
  { nodes }: Cluster,
  { alert: { id }, from }: { readonly alert: Alert; readonly from: number },
  say: (line: string) => void,
): Promise<readonly Note[]> {
  let notes: readonly Note[] = [];
  for (const node of nodes) {
    const there = await poll(
      async () => {
        const found = await notesAt(node, id, from).catch(() => []);
        return found.some(({ action }) => action === "repaired") && found;
      },
      { withinMs: IN_LOG_WITHIN_MS },
    );
    if (there === undefined)
      throw new Error(`The log of ${node.id} does not tell of the repair ${IN_LOG_WITHIN_MS / 1_000} s after it.`);
    if (notes.length > 0 && JSON.stringify(there) !== JSON.stringify(notes))
      throw new Error(`The log of ${node.id} tells of it otherwise than that of ${nodes[0]?.id}.`);
    notes = there;
  }
  const { url } = nodes.find(({ id: one }) => one !== notes[0]?.node) as ClusterNode;
  const newest = `${url}/api/v1/blocks/${notes.at(-1)?.height}`;
  say(`\n5. The log keeps what happened, for ever. ${nodes.map((node) => node.id).join(", ")} have the same of it:`);
  for (const { height, node, action, actor, reason } of notes)
    say(
      `   block ${height}, by ${node}: ${action}${actor === undefined ? "" : ` by ${actor}`}${reason === undefined ? "" : `: ${reason}`}`,
    );
  say(`   As it stands there, with names of fields and hashes, and no value (GET ${newest}):`);
  say(`   ${JSON.stringify((await call<BlockAnswer>(newest)).body.header?.control)}`);
  return notes;
}

/** What the blocks from a height on say of an alert. */
async function notesAt({ url, id: asked }: ClusterNode, id: string, from: number): Promise<readonly Note[]> {
  const { body } = await call<{ nodes: { id: string; commitHeight: number }[] }>(`${url}/api/v1/cluster`);
  const through = body.nodes.find((node) => node.id === asked)?.commitHeight ?? 0;
  const notes: Note[] = [];
  for (let height = from; height <= through; height++) {
    const { header } = (await call<BlockAnswer>(`${url}/api/v1/blocks/${height}`)).body;
    const { control } = header ?? {};
    if (control?.kind !== "alert_records") continue;
    for (const note of control.notes ?? []) if (note.id === id) notes.push({ ...note, height, node: control.node });
  }
  return notes;
}

async function verify({ url }: ClusterNode, say: (line: string) => void): Promise<boolean> {
  const { head, findings, nodes, silent } = await verifyCluster(url, {
    signatures: true,
    expected: null,
    onProgress: () => {},
  });
  if (findings.count > 0) throw new Error(`After the repair ${findings.count} differences are left.`);
  if (silent.length > 0) throw new Error(`After the repair not all could be verified: ${silent.join("; ")}.`);
  say(`\n6. npm run verify -- --url ${url}, by code that shares none with the nodes:`);
  say(`   ${nodes.join(", ")}: ${head.size} events. Verified: ${head.size}:${head.root}`);
  return true;
}
