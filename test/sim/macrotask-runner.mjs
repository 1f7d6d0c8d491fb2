import { TestRunner } from "vitest";

/** Begins each test in a task of its own, where the simulator can drain promise reactions. */
export default class MacrotaskRunner extends TestRunner {
  runTask(test) {
    return new Promise((resolve, reject) => {
      setImmediate(() => {
        Promise.resolve(TestRunner.getTestFn(test)()).then(() => resolve(), reject);
      });
    });
  }
}
