import { setTimeout as sleep } from "node:timers/promises";
import { loopback } from "../lib/loopback.js";
import { messageOf } from "../lib/project.js";

const ANSWER_WITHIN_MS = 30_000;
const TRIES_MAX = 5;
const AGAIN_MS = 500;

/** Nothing was found wrong, and nothing was found right: a node does not answer as it should. */
export class NoAnswer extends Error {
  constructor(
    message: string,
    readonly status = 0,
    readonly code = "",
  ) {
    super(message);
  }
}

/**
 * What a node answers to a GET, as JSON. A node that is busy is asked again. Throws NoAnswer, also where another node answers
 * than the one that is meant.
 */
export async function ask<T>(base: string, path: string, node?: string): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return (await answerOf(base, path, node)) as T;
    } catch (error) {
      const isPassing =
        error instanceof NoAnswer && (error.status === 0 || error.status === 429 || error.status === 503);
      if (!isPassing || tries === TRIES_MAX) throw error;
      await sleep(AGAIN_MS * tries);
    }
  }
}

async function answerOf(base: string, path: string, node: string | undefined): Promise<unknown> {
  let answer: Response;
  try {
    answer = await loopback(new URL(path, base), { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  } catch (error) {
    throw new NoAnswer(`${base} does not answer: ${messageOf(error)}`);
  }
  const by = answer.headers.get("x-served-by");
  if (node !== undefined && by !== null && by !== node)
    throw new NoAnswer(`${base} is answered by ${by}, and should be by ${node}`, answer.status);
  const body = (await answer.json().catch(() => null)) as { code?: unknown; detail?: unknown } | null;
  if (answer.ok && body !== null) return body;
  const detail = typeof body?.detail === "string" ? body.detail : "no JSON";
  throw new NoAnswer(`${base}${path}: ${answer.status}, ${detail}`, answer.status, String(body?.code ?? ""));
}

export interface ClusterAnswer {
  readonly clusterId: string;
  readonly nodes: readonly {
    readonly id: string;
    readonly address: string;
    readonly commitHeight: number;
    readonly detail?: string;
  }[];
}

export interface BlockAnswer {
  readonly header: unknown;
  readonly blockHash: string;
  readonly signature: string;
  readonly frontierBefore: readonly string[];
  readonly leaves: readonly string[];
}

/** An event, as our own API gives it. */
export type EventAnswer = Readonly<Record<string, unknown>> & {
  readonly sequence: number;
  readonly hash: string;
};

export interface ChainAnswer {
  readonly from: number;
  readonly size: number;
  readonly nodes: readonly {
    readonly node: string;
    readonly events: readonly {
      readonly sequence: number;
      readonly hash: string;
      readonly previousHash: string;
      readonly height: number;
    }[];
    readonly altered: readonly {
      readonly height: number;
      readonly from: number;
      readonly count: number;
      readonly detail: string;
    }[];
    readonly detail?: string;
  }[];
}

export interface AlertAnswer {
  readonly node: string;
  readonly kind: string;
  readonly severity: string;
  readonly heights?: readonly (readonly [number, number])[];
  readonly differences?: readonly {
    readonly height: number;
    readonly sequence?: number;
    readonly field: string;
    readonly stored?: unknown;
    readonly expected?: unknown;
  }[];
}
