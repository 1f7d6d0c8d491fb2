import type { Sources } from "./sources.js";

/** A node takes 2 s to say that it cannot answer a read; whoever says nothing for longer is not there. */
const ANSWER_MS_MAX = 8_000;

export interface Problem {
  readonly title: string;
  readonly detail: string;
  readonly code: string;
  readonly status: number;
  readonly requestId: string;
}

/** The node has answered that it does not do what was asked. */
export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
    this.name = "ApiError";
  }
}

/** No answer came at all. */
export class NoAnswer extends Error {
  constructor(cause: unknown) {
    super("This node does not answer.", { cause });
    this.name = "NoAnswer";
  }
}

export interface Answer<T> extends Sources {
  readonly body: T;
  /** Committed events that the answer reflects; null where the answer does not say. */
  readonly logSize: number | null;
  /** No leader stands behind the answer. */
  readonly isStale: boolean;
  /** Names this version of what was answered. */
  readonly etag: string | null;
}

/** Addresses are relative to the page, which may stand under a prefix. */
export async function ask<T>(path: string, init: RequestInit = {}): Promise<Answer<T>> {
  const timeout = AbortSignal.timeout(ANSWER_MS_MAX);
  const signal = init.signal ? AbortSignal.any([init.signal, timeout]) : timeout;
  const response = await fetch(path, {
    ...init,
    signal,
    headers: { Accept: "application/json", ...init.headers },
  }).catch((cause: unknown) => {
    throw init.signal?.aborted === true ? cause : new NoAnswer(cause);
  });
  // An error may come with anything; an answer that was cut on its way is none.
  const body: unknown = await response.json().catch((cause: unknown) => {
    if (!response.ok) return null;
    throw init.signal?.aborted === true ? cause : new NoAnswer(cause);
  });
  if (!response.ok) throw new ApiError(problemOf(response, body));
  const size = response.headers.get("X-Log-Size");
  return {
    body: body as T,
    logSize: size === null ? null : Number(size),
    isStale: response.headers.get("X-Stale") === "true",
    servedBy: response.headers.get("X-Served-By") ?? "",
    answeredFrom: namesIn(response.headers.get("X-Answered-From")),
    etag: response.headers.get("ETag"),
  };
}

const namesIn = (header: string | null): string[] => header?.split(/\s*,\s*/).filter((name) => name !== "") ?? [];

/** JSON is what no form of another site can send. */
export const post = <T>(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer<T>> =>
  ask<T>(path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json", ...headers },
  });

/** What stands in front of a node may answer with a page of its own. */
function problemOf(response: Response, body: unknown): Problem {
  const said = (typeof body === "object" && body !== null ? body : {}) as Partial<Record<string, unknown>>;
  const text = (name: string, fallback: string): string => (typeof said[name] === "string" ? said[name] : fallback);
  return {
    title: text("title", `HTTP ${response.status}`),
    detail: text("detail", "The answer says no more."),
    code: text("code", "unknown"),
    status: response.status,
    requestId: text("requestId", response.headers.get("X-Request-Id") ?? ""),
  };
}
