import type { Answer } from "./answers.js";
import type { Outcome } from "./conversation.js";
import type { Request } from "./requests.js";

/** How many events of each source a node's log holds. */
export type Stored = ReadonlyMap<string, number>;

export interface Verdict {
  readonly anomalies: readonly string[];
  /** How many answers there were of each status. */
  readonly statuses: ReadonlyMap<number, number>;
}

/** Holds what the clients were told against the log. `sources` in it that nobody sent are anomalies too. */
export function judge(outcomes: readonly Outcome[], stored: Stored): Verdict {
  const anomalies: string[] = [];
  const statuses = new Map<number, number>();
  const known = new Set<string>();
  for (const outcome of outcomes) {
    for (const { status } of outcome.answers) statuses.set(status, (statuses.get(status) ?? 0) + 1);
    const { id, requests } = outcome.conversation;
    for (const found of judgeAnswers(outcome)) anomalies.push(`${id}: ${found}`);
    for (const source of new Set(requests.map(({ source }) => source))) {
      known.add(source);
      const found = judgeStored(outcome, source, stored.get(source) ?? 0);
      if (found !== null) anomalies.push(`${source}: ${found}`);
    }
  }
  for (const source of stored.keys()) if (!known.has(source)) anomalies.push(`${source}: stored, and nobody sent it`);
  return { anomalies, statuses };
}

/** Whether all bytes of the request were sent. */
function isWhole({ conversation: { requests, sentBytes } }: Outcome, at: number): boolean {
  return requests.slice(0, at + 1).reduce((sum, { text }) => sum + text.length, 0) <= sentBytes;
}

/** An event is there if and only if its client was told so; where it was told nothing, it may be. */
function judgeStored(outcome: Outcome, source: string, count: number): string | null {
  const { requests } = outcome.conversation;
  const sent = requests.flatMap((request, at) => (request.source === source ? [{ request, at }] : []));
  const { name, events } = (sent[0] as { request: Request }).request;
  const mayBe = sent.some(({ request, at }) => isWhole(outcome, at) && /^(?:written|either)$/.test(request.meant));
  const answers = sent.map(({ at }) => outcome.answers[at]);
  const told = answers.map((answer) => answer?.status ?? 0);
  const what = `${name}, answered ${told.join(" and ")}`;
  if (count > 0 && !mayBe) return `${count} events are stored that nobody may store (${what})`;
  if (count !== 0 && count !== events) return `${count} of ${events} events are stored (${what})`;
  if (told.includes(201) && count === 0) return `acknowledged and not stored (${what})`;
  const isDenied = answers.every((answer) => answer !== undefined && denies(answer));
  if (count > 0 && isDenied) return `stored, and its client was told that it is not (${what})`;
  return null;
}

const denies = (answer: Answer): boolean =>
  answer.status === 503 || (answer.status >= 400 && answer.status < 500 && !isInProgress(answer));

/** The first write with this key is not decided yet: the answer says nothing of its fate. */
const isInProgress = ({ status, body }: Answer): boolean => status === 409 && body.includes('"code":"in_progress"');

function judgeAnswers(outcome: Outcome): string[] {
  const { conversation, answers, rest, isLate, open } = outcome;
  const { requests, end } = conversation;
  const anomalies: string[] = [];
  for (const [at, answer] of answers.entries()) {
    const request = requests[at];
    const found =
      request === undefined ? judgeExtra(outcome, answer) : judgeAnswer(request, answer, isWhole(outcome, at));
    if (found !== null) anomalies.push(`${found} (request ${at}, ${request?.name ?? "none"})`);
  }
  if (end !== "answers") return anomalies;
  if (rest !== "") anomalies.push(`what came is no answer: ${JSON.stringify(rest.slice(0, 60))}`);
  const next = requests[answers.length];
  if (isLate) anomalies.push(`no answer in time (request ${answers.length}, ${next?.name})`);
  else if (next !== undefined && !answers.some(({ isLast }) => isLast) && !isExcused(next, open))
    anomalies.push(`no answer, and the connection ended (request ${answers.length}, ${next.name})`);
  return anomalies;
}

const isExcused = (next: Request, open: Answer | null): boolean =>
  next.meant === "broken" || next.meant === "either" || (next.meant === "stream" && open !== null);

/** After what is no HTTP there may be one more answer: to what the parser took for the next request. */
function judgeExtra({ conversation: { requests }, answers }: Outcome, answer: Answer): string | null {
  const isBroken = /^(?:broken|either)$/.test(requests.at(-1)?.meant ?? "");
  if (isBroken && answers.length === requests.length + 1 && answer.status >= 400) return judgeProblem(answer);
  return `an answer ${answer.status} to nothing`;
}

function judgeAnswer({ meant, method, name }: Request, answer: Answer, isWhole: boolean): string | null {
  const { status } = answer;
  const isRefusal = status >= 400 && status < 500;
  if (status === 500) return "the node failed: 500";
  // Half a request may be refused for what is known of it.
  if (!isWhole && !isRefusal && status !== 503 && meant !== "read") return `answered ${status} before it was sent`;
  // 408: where a machine is overloaded, it may wait behind others of its connection for longer than a request may take.
  if (meant === "written" && isWhole && ![201, 408, 503, 504].includes(status) && !isInProgress(answer))
    return `a write was answered ${status}`;
  if ((meant === "refused" || meant === "broken") && !isRefusal && status !== 503 && status !== 505)
    return `what must be refused was answered ${status}`;
  if (meant === "read" && status === 201) return "a read was answered 201";
  // A node that is not ready lists why, in a form of its own.
  if (status === 503 && /^\w+ \/readyz/.test(name)) return null;
  return status >= 400 && method !== "HEAD" ? judgeProblem(answer) : null;
}

function judgeProblem({ status, headers, body }: Answer): string | null {
  if (headers.get("content-type") !== "application/problem+json") return `${status} without a problem document`;
  try {
    const problem = JSON.parse(body) as { status?: unknown; code?: unknown; detail?: unknown };
    const isRight = problem.status === status && typeof problem.code === "string" && typeof problem.detail === "string";
    return isRight ? null : `${status} with a document that says otherwise: ${body.slice(0, 200)}`;
  } catch {
    return `${status} with a document that is not JSON`;
  }
}
