import type { HashHex } from "../../shared/ids.js";
import { type Block, type BlockHeader, blockBytes, provedBodyReader } from "../../shared/log/block.js";
import type { ProvedBodyReader } from "../../shared/log/body.js";
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

/** So often a name is looked for in the body itself. */
const LOOKS_MAX = 2;

/** With parts of its own: those of a block as it was read lie within a larger answer. */
export const owned = (block: Block): Block => ({
  ...block,
  records: block.records.slice(),
  payloads: block.payloads.slice(),
});

export function proved(block: Block, previousHash: HashHex | ""): ProvedBlock {
  const { header, blockHash } = block;
  const events = provedBodyReader(block, previousHash);
  // Made for a block that is searched again and again.
  let looks = 0;
  let positions: NamePositions | null = null;
  return {
    header,
    blockHash,
    events,
    bytes: blockBytes(block),
    candidates({ sourceAppId, eventType }) {
      const kind = sourceAppId === undefined ? "type" : "source";
      const name = sourceAppId ?? eventType;
      if (name === undefined) return Array.from({ length: header.eventCount }, (_, i) => i);
      if (looks++ < LOOKS_MAX) return events.positionsOf(kind, name);
      positions ??= namePositions(events, header.eventCount);
      return positions[kind].get(name) ?? [];
    },
  };
}

type NamePositions = Record<"type" | "source", Map<string, number[]>>;

function namePositions(events: ProvedBodyReader, count: number): NamePositions {
  const positions: NamePositions = { type: new Map(), source: new Map() };
  const add = (map: Map<string, number[]>, name: string, i: number): void => {
    const there = map.get(name);
    if (there === undefined) map.set(name, [i]);
    else there.push(i);
  };
  for (let i = 0; i < count; i++) {
    const { type, source } = events.namesOf(i);
    add(positions.type, type, i);
    add(positions.source, source, i);
  }
  return positions;
}
