import { DEMO_EVENTS, type DEMO_SOURCES } from "../../shared/demo.js";
import { Draw } from "../chaos/faults/draw.js";
import { loopback } from "../lib/loopback.js";
import { messageOf } from "../lib/project.js";

const BATCH = 20;
const SEED = 20_260_501;
const SPREAD_MS = 24 * 3_600_000;
const ANSWER_MS_MAX = 10_000;

const USERS = ["ada", "grace", "linus", "margaret", "ken", "barbara"] as const;
const CUSTOMERS = ["Acme", "Globex", "Initech", "Umbrella", "Hooli", "Stark & Sons"] as const;
const ROLES = ["auditor", "approver", "administrator"] as const;
const SETTINGS = ["session.timeoutMinutes", "invoice.limit", "backup.hour", "mail.sender"] as const;

interface DemoEvent {
  readonly eventType: string;
  readonly sourceAppId: (typeof DEMO_SOURCES)[number];
  readonly dataPayload: Readonly<Record<string, unknown>>;
}

/** What happens in a company, with how often it does. */
const STORY: readonly (readonly [weight: number, make: (draw: Draw, i: number) => DemoEvent])[] = [
  [
    6,
    (draw, i) =>
      at("auth", "user.login", {
        user: draw.pick(USERS),
        address: `10.0.${draw.between(0, 3)}.${draw.between(2, 250)}`,
        session: 4_000 + i,
      }),
  ],
  [1, (draw) => at("auth", "user.login_failed", { user: draw.pick(USERS), attempts: draw.between(1, 5) })],
  [
    4,
    (draw, i) =>
      at("billing", "invoice.created", {
        invoice: 900 + i,
        customer: draw.pick(CUSTOMERS),
        amount: draw.between(20, 2_000) * 5,
      }),
  ],
  [
    3,
    (draw, i) =>
      at("billing", "invoice.approved", {
        invoice: 900 + i,
        approver: draw.pick(USERS),
        amount: draw.between(20, 2_000) * 5,
      }),
  ],
  [
    3,
    (draw, i) =>
      at("billing", "invoice.paid", {
        invoice: 900 + i,
        customer: draw.pick(CUSTOMERS),
        amount: draw.between(20, 2_000) * 5,
        currency: "EUR",
      }),
  ],
  [
    1,
    (draw) => at("identity", "role.granted", { user: draw.pick(USERS), role: draw.pick(ROLES), by: draw.pick(USERS) }),
  ],
  [
    1,
    (draw) => at("identity", "role.revoked", { user: draw.pick(USERS), role: draw.pick(ROLES), by: draw.pick(USERS) }),
  ],
  [
    2,
    (draw, i) =>
      at("warehouse", "shipment.sent", {
        shipment: 70_000 + i,
        customer: draw.pick(CUSTOMERS),
        parcels: draw.between(1, 9),
      }),
  ],
  [
    1,
    (draw) =>
      at("admin", "config.changed", {
        setting: draw.pick(SETTINGS),
        from: draw.between(1, 60),
        to: draw.between(1, 60),
        by: draw.pick(USERS),
      }),
  ],
  [
    1,
    (draw) =>
      at("admin", "export.downloaded", {
        by: draw.pick(USERS),
        rows: draw.between(10, 9_000),
        format: draw.pick(["csv", "ndjson"]),
      }),
  ],
];

const at = (
  sourceAppId: DemoEvent["sourceAppId"],
  eventType: string,
  dataPayload: DemoEvent["dataPayload"],
): DemoEvent => ({
  eventType,
  sourceAppId,
  dataPayload,
});

/** The same events at each start, but for their timestamps, which lead up to `nowMs`. */
export function demoEvents(nowMs: number): (DemoEvent & { readonly timestamp: string })[] {
  const draw = new Draw(SEED, 1);
  const lots = STORY.flatMap(([weight, make]) => Array.from({ length: weight }, () => make));
  return Array.from({ length: DEMO_EVENTS }, (_, i) => ({
    ...draw.pick(lots)(draw, i),
    timestamp: new Date(nowMs - Math.round((SPREAD_MS * (DEMO_EVENTS - i)) / DEMO_EVENTS)).toISOString(),
  }));
}

/** Fills an empty log through a node. In words what was done. */
export async function fillForDemo(url: string, nowMs: number): Promise<string> {
  const newest = await answerOf(`${url}/api/v1/events?limit=1&order=desc`);
  if (typeof newest === "string") return `The log could not be looked at (${newest}): --demo adds nothing.`;
  const { events } = newest as { events: { sequence: number }[] };
  if (events.length > 0) return "The log has events already: --demo adds none.";
  const all = demoEvents(nowMs);
  for (let from = 0; from < all.length; from += BATCH) {
    const answer = await answerOf(`${url}/api/v1/events:batch`, { events: all.slice(from, from + BATCH) });
    // It is not known whether a batch that got no answer is there.
    if (typeof answer === "string")
      return `At least ${from} of --demo's ${all.length} events are in the log (${answer}).`;
  }
  return `${all.length} events of a company's day are in the log.`;
}

/** What a node answers, as JSON; why there is no such answer, as text. */
async function answerOf(url: string, body?: object): Promise<object | string> {
  const signal = AbortSignal.timeout(ANSWER_MS_MAX);
  const headers = { "Content-Type": "application/json" };
  const post = body === undefined ? {} : { method: "POST", headers, body: JSON.stringify(body) };
  try {
    const answer = await loopback(url, { ...post, signal });
    return answer.ok ? ((await answer.json()) as object) : `the node answered ${answer.status}`;
  } catch (error) {
    return signal.aborted ? `no answer within ${ANSWER_MS_MAX / 1_000} s` : messageOf(error);
  }
}
