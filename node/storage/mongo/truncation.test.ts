import { expect, it } from "vitest";
import { Rounds } from "./truncation.js";

it("gives up on a document that stays, and on none that only came late", () => {
  const rounds = new Rounds();
  rounds.end(9, 0);
  rounds.end(9, 1);
  rounds.end(9, 0);
  rounds.end(8, 0);
  expect(() => rounds.end(8, 0)).toThrow(/^The document 8 among the blocks cannot be deleted.*empty one\.$/);
});
