import { postJson } from "../integration/api-support.js";

const BATCH = 500;
const AT_ONCE = 4;
const TYPES = ["user.login", "invoice.paid", "invoice.approved", "role.granted"] as const;

export const event = (i: number, sourceAppId = "seed") => ({
  eventType: TYPES[i % TYPES.length] as string,
  sourceAppId,
  dataPayload: { user: i % 3 === 0 ? "ada" : "grace", number: i },
});

/** So many events, in batches, of which some are under way at once. */
export async function seed(url: string, count: number, sourceAppId = "seed"): Promise<void> {
  const post = async (from: number): Promise<void> => {
    const events = Array.from({ length: Math.min(BATCH, count - from) }, (_, i) => event(from + i, sourceAppId));
    const { status, body } = await postJson(`${url}/api/v1/events:batch`, { events });
    if (status !== 201) throw new Error(`The seed was answered ${status}: ${JSON.stringify(body)}`);
  };
  const starts = Array.from({ length: Math.ceil(count / BATCH) }, (_, i) => i * BATCH);
  while (starts.length > 0) await Promise.all(starts.splice(0, AT_ONCE).map(post));
}

/** One event; its sequence. */
export async function write(url: string, fields: object = {}): Promise<number> {
  const { status, body } = await postJson(`${url}/api/v1/events`, { ...event(0, "journey"), ...fields });
  if (status !== 201) throw new Error(`The event was answered ${status}: ${JSON.stringify(body)}`);
  return (body as { sequence: number }).sequence;
}
