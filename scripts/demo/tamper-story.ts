import { Binary, MongoClient } from "mongodb";
import type { Cluster, ClusterNode } from "../cluster/cluster.js";
import { type Alert, call, decide, outcomeOf } from "../lib/alerts.js";
import { poll } from "../lib/processes.js";
import { verifyCluster } from "../verify/live.js";

const FOUND_WITHIN_MS = 120_000;
const AMOUNT = { committed: 125_000, forged: 925_000 };

/** What the story came to. */
export interface Told {
  readonly alert: Alert;
  readonly sequence: number;
  readonly victim: string;
  readonly isRepaired: boolean;
  readonly isVerified: boolean;
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
  const isVerified = isRepaired && (await verify(leader, say));
  return { alert, sequence, victim: victim.id, isRepaired, isVerified };
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
  say("\n5. The log keeps what happened, on every node and for ever:");
  for (const { action, at, actor, reason } of repaired.history ?? [])
    say(`   ${at}  ${action}${actor === undefined ? "" : ` by ${actor}`}${reason === undefined ? "" : `: ${reason}`}`);
  return true;
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
