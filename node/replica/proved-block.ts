import type { HashHex } from "../../shared/ids.js";
import { type Block, type BlockHeader, blockBytes, provedBodyReader } from "../../shared/log/block.js";
import type { ProvedBodyReader } from "../../shared/log/body.js";
import type { ReadEvent } from "../../shared/log/event.js";
import type { EventFilter } from "../../shared/log/filter.js";

/** A block that is the one committed at its height, with the body that was checked when it was stored. */
export interface ProvedBlock {
  readonly header: BlockHeader;
  readonly blockHash: HashHex;
  /** By position; decoded when it is asked for, and kept. */
  readonly events: ProvedBodyReader;
  /** Bytes of its body as stored. */
  readonly bytes: number;
  /** Positions of events that have the filter's source or type, ascending; all others do not meet it. */
  candidates(filter: Pick<EventFilter, "sourceAppId" | "eventType">): readonly number[];
}

export function proved(block: Block, previousHash: HashHex | ""): ProvedBlock {
  const { header, blockHash } = block;
  const events = provedBodyReader(block, previousHash);
  // Made when first asked for: most blocks that are read for one event are never searched.
  let positions: { readonly types: Map<string, number[]>; readonly sources: Map<string, number[]> } | null = null;
  return {
    header,
    blockHash,
    events,
    bytes: blockBytes(block),
    candidates({ sourceAppId, eventType }) {
      positions ??= namePositions(events.all());
      if (sourceAppId !== undefined) return positions.sources.get(sourceAppId) ?? [];
      if (eventType !== undefined) return positions.types.get(eventType) ?? [];
      return Array.from({ length: header.eventCount }, (_, i) => i);
    },
  };
}

function namePositions(events: readonly ReadEvent[]) {
  const types = new Map<string, number[]>();
  const sources = new Map<string, number[]>();
  for (const [i, { record }] of events.entries()) {
    for (const [map, name] of [
      [types, record.eventType],
      [sources, record.sourceAppId],
    ] as const) {
      const there = map.get(name);
      if (there === undefined) map.set(name, [i]);
      else there.push(i);
    }
  }
  return { types, sources };
}
