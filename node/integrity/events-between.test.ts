import { describe, expect, it } from "vitest";
import type { BlockHeader } from "../../shared/log/block.js";
import type { IncidentKind, Range } from "../storage/incident.js";
import { EventsBetween } from "./events-between.js";

/** Block h has the events 10 h to 10 h + 9. */
function look(
  between: EventsBetween,
  at: number,
  known: { header?: boolean; sequences?: Range[]; kind?: IncidentKind } = {},
): readonly Range[] {
  const { header = true, sequences = header ? [[10 * at, 10 * at + 9]] : [], kind = "header_modified" } = known;
  const finding = { kind, foundBy: "watch", heights: [at, at], sequences, detail: "" } as const;
  const committed = { firstSequence: 10 * at, treeSize: 10 * at + 10 } as BlockHeader;
  const [from, to] = header ? [committed, committed] : [null, null];
  return between.completed({ first: at, last: at, finding, from, to }).sequences ?? [];
}

const unknown = { header: false };

describe("the events of altered blocks that were not compared", () => {
  it("are those between the nearest ones that were", () => {
    const between = new EventsBetween();
    const looks = [look(between, 5), look(between, 6, unknown), look(between, 7, unknown), look(between, 8)];
    expect(looks).toEqual([
      [[50, 59]],
      [],
      [],
      [
        [60, 79],
        [80, 89],
      ],
    ]);
    expect(look(between, 9)).toEqual([[90, 99]]);
  });

  it.each([
    ["a block between them is sound", [6, 8], {}],
    ["one is altered in another way", [6, 7], { kind: "hash_rewritten" }],
    ["of one the events are known", [6, 7], { sequences: [[61, 61]] }],
  ] as const)("are not said where %s", (_, heights, last) => {
    const between = new EventsBetween();
    look(between, 5);
    for (const at of heights) look(between, at, at === heights[1] ? ({ ...unknown, ...last } as never) : unknown);
    expect(look(between, 9)).toEqual([[90, 99]]);
  });

  it("are not said without a known block below, or of another look", () => {
    const between = new EventsBetween();
    look(between, 6, unknown);
    expect(look(between, 7)).toEqual([[70, 79]]);
    look(between, 8, unknown);
    between.forget();
    expect(look(between, 9)).toEqual([[90, 99]]);
  });
});
