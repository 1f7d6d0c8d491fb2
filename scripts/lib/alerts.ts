import { loopback } from "./loopback.js";
import { poll } from "./processes.js";

const ANSWER_WITHIN_MS = 60_000;
const DECIDED_WITHIN_MS = 120_000;
const RESOLVED_WITHIN_MS = 240_000;
/** The alert is not any more as it was when it was looked at. */
const STALE = 412;

/** What the scripts read of an alert. */
export interface Alert {
  readonly id: string;
  readonly kind: string;
  readonly node: string;
  readonly status: string;
  readonly detail: string;
  readonly sequence?: number;
  readonly heights?: readonly (readonly [number, number])[];
  readonly agreeing?: readonly string[];
  readonly differences?: readonly { sequence?: number; field: string; stored?: unknown; expected?: unknown }[];
  readonly history?: readonly { action: string; at: string; actor?: string; reason?: string }[];
}

export interface Answer<T> {
  readonly status: number;
  readonly etag: string;
  readonly body: T;
}

export async function call<T>(url: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer<T>> {
  const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
  const json = { "Content-Type": "application/json", ...headers };
  const answer = await loopback(
    url,
    body === undefined ? { signal } : { method: "POST", body: JSON.stringify(body), headers: json, signal },
  );
  return { status: answer.status, etag: answer.headers.get("etag") ?? "", body: (await answer.json()) as T };
}

export interface Decision {
  readonly id: string;
  readonly action: "repair" | "rebuild";
  readonly actor: string;
  readonly reason: string;
}

/** Decides as a person would. Where more was found meanwhile, it is decided anew about the alert as it is now. */
export async function decide(
  url: string,
  { id, action, ...by }: Decision,
): Promise<{ readonly isTaken: boolean; readonly status: number; readonly detail: string }> {
  const answer = await poll(
    async () => {
      const { etag } = await call<Alert>(`${url}/api/v1/alerts/${id}`);
      const given = await call<{ detail?: string }>(`${url}/api/v1/alerts/${id}/${action}`, by, { "If-Match": etag });
      return given.status !== STALE && given;
    },
    { withinMs: DECIDED_WITHIN_MS },
  );
  const { status, body } = answer ?? { status: STALE, body: {} };
  return { isTaken: status < 300, status, detail: body.detail ?? "" };
}

/** Waits until what was decided is done, or given up. A node that does not answer is asked again. */
export async function outcomeOf(url: string, id: string): Promise<Alert> {
  const done = await poll(
    async () => {
      const answer = await call<Alert>(`${url}/api/v1/alerts/${id}`).catch(() => null);
      return answer?.status === 200 && !UNDER_WAY.has(answer.body.status) && answer.body;
    },
    { withinMs: RESOLVED_WITHIN_MS },
  );
  if (done === undefined)
    throw new Error(`The alert is not resolved ${RESOLVED_WITHIN_MS / 1_000} s after the decision.`);
  return done;
}
const UNDER_WAY: ReadonlySet<string> = new Set(["repairing", "rebuilding"]);
