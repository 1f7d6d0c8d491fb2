import { expect, it } from "vitest";
import type { Clock } from "../clock.js";
import { recoverForEver } from "./recovery-loop.js";

const clock = {
  after: (_ms: number, action: () => void) => {
    queueMicrotask(action);
    return () => undefined;
  },
} as Clock;
const logger = { info: () => undefined, warn: () => undefined };
const onFatal = (error: Error): never => {
  throw error;
};

it("recovers again where the replica that it gave is gone already", async () => {
  let recoveries = 0;
  const recoverOnce = async () => {
    recoveries += 1;
  };
  await recoverForEver({ clock, logger, recoverOnce, isOver: () => recoveries === 2, isStopped: () => false, onFatal });
  expect(recoveries).toBe(2);
});

it("ends without a word when its node stops while a recovery fails", async () => {
  let isStopped = false;
  const warnings: unknown[] = [];
  const recoverOnce = async () => {
    isStopped = true;
    throw new Error("the connection is closed");
  };
  const warn = (...told: unknown[]) => warnings.push(told);
  const parts = { clock, logger: { ...logger, warn }, recoverOnce, isOver: () => false, onFatal };
  await recoverForEver({ ...parts, isStopped: () => isStopped });
  expect(warnings).toEqual([]);
});
