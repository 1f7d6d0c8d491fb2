import { describe, expect, it } from "vitest";
import { z } from "zod";
import { NAME_CHARACTERS_MAX, REASON_CHARACTERS_MAX } from "../../../shared/limits.js";
import { controlSchema } from "../../../shared/log/control.js";
import { decision } from "./decision.js";

const key = "1".repeat(64);
const admission = {
  ...{ kind: "node_admitted", node: "n1", joinNonce: "2".repeat(32), storeId: "3".repeat(32) },
  keys: { block: key, log: key, cosign: key },
};
const isTaken = (said: { actor: string; reason: string }): boolean => z.object(decision).safeParse(said).success;
const isSealed = (said: { actor: string; reason: string }): boolean =>
  controlSchema.safeParse({ ...admission, ...said }).success;

/** What is taken here a leader seals: a block that its followers refuse would stop the log. */
describe.each(["a", "\u00e9", "\u{1f600}"])("a decision in characters like %s", (letter) => {
  it("is taken at the door as far as followers take it in a block, and no further", () => {
    const said = { actor: letter.repeat(NAME_CHARACTERS_MAX), reason: letter.repeat(REASON_CHARACTERS_MAX) };
    expect([isTaken(said), isSealed(said)]).toEqual([true, true]);
    const longActor = { ...said, actor: `${said.actor}${letter}` };
    expect([isTaken(longActor), isSealed(longActor)]).toEqual([false, false]);
    const longReason = { ...said, reason: `${said.reason}${letter}` };
    expect([isTaken(longReason), isSealed(longReason)]).toEqual([false, false]);
  });
});
