import { expect, it } from "vitest";
import { blockVerifier } from "../../shared/log/chain.js";
import { GENESIS, type TestBlock, TestLog } from "../../test/contracts/fixtures.js";
import { createVerifier } from "../host/signer.js";
import { isStray } from "./stray.js";

it("a block of another history may call all of this log committed above a hole, and not in the place after it", () => {
  const log = new TestLog();
  const first = log.block([], { control: GENESIS });
  const own = [2, 3].map(() => log.block([{}], { commitHeight: 1 })).at(-1) as TestBlock;
  const other = log.fork(first);
  const late = [2, 3, 4, 5].map((at) => other.block([{ dataPayload: {} }], { commitHeight: at < 4 ? 1 : 3 }));
  const before = { ...own.next, memberships: new Set([first.next.members]) };
  const isLate = ({ stored }: TestBlock): boolean => isStray(blockVerifier(createVerifier()), before, stored.block);
  expect(late.slice(2).map(isLate)).toEqual([false, true]);
});
