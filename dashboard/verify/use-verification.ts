import { useQuery } from "@tanstack/react-query";
import type { EventView } from "../../shared/log/event.js";
import type { BlockView } from "../../shared/protocol/http.js";
import { ApiError, ask } from "../api/client.js";
import type { Sources } from "../api/sources.js";
import type { CopyList } from "../api/types.js";
import { isSigned } from "./signature.js";
import { type Step, verify } from "./steps.js";

const AGAIN_MS = 5_000;

export interface Verified {
  readonly event: EventView;
  readonly copies: CopyList["nodes"];
  readonly steps: readonly Step[];
  /** Whose signature its block has; null where the block was not to be had here. */
  readonly sealedBy: string | null;
  /** Of the event itself. */
  readonly sources: Sources;
}

/** Fetches an event and all that it is checked by, and checks it here; again and again while it is looked at. */
export function useVerification(sequence: number) {
  return useQuery({
    queryKey: ["verification", sequence],
    queryFn: ({ signal }) => fetchAndVerify(sequence, signal),
    refetchInterval: AGAIN_MS,
  });
}

async function fetchAndVerify(sequence: number, signal: AbortSignal): Promise<Verified> {
  const path = `api/v1/events/${sequence}`;
  const [own, copies] = await Promise.all([
    ask<EventView>(path, { signal }),
    ask<CopyList>(`${path}/nodes`, { signal }),
  ]);
  const [next, block] = await Promise.all([
    nextOf(sequence, own.logSize ?? 0, signal),
    blockAt(own.body.height, signal),
  ]);
  const { nodes } = copies.body;
  const steps = await verify({ event: own.body, next, block, copies: nodes, isSigned });
  return { event: own.body, copies: nodes, steps, sealedBy: block?.header.leaderId ?? null, sources: own };
}

/** Null where this node's own copy is altered: an event can come from another node, a block shows what stands here. */
async function blockAt(height: number, signal: AbortSignal): Promise<BlockView | null> {
  try {
    return (await ask<BlockView>(`api/v1/blocks/${height}`, { signal })).body;
  } catch (error) {
    if (error instanceof ApiError && error.problem.code === "event_altered") return null;
    throw error;
  }
}

async function nextOf(sequence: number, logSize: number, signal: AbortSignal): Promise<EventView | null> {
  if (sequence + 1 >= logSize) return null;
  try {
    return (await ask<EventView>(`api/v1/events/${sequence + 1}`, { signal })).body;
  } catch (error) {
    if (error instanceof ApiError && error.problem.status === 404) return null;
    throw error;
  }
}
