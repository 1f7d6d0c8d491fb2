import { writeFileSync } from "node:fs";

/** Counts tests for the sum that `npm test` prints last: into the file that TEST_COUNTS_FILE names. */
export default class CountingReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    for (const module of modules) {
      const tests = [...module.children.allTests()];
      for (const test of tests) {
        const { state } = test.result();
        counts[state === "passed" || state === "failed" ? state : "skipped"] += 1;
      }
      // A file that does not load, or a hook that throws, must not vanish because no test of it failed.
      const isBroken = module.state() === "failed" && !tests.some((test) => test.result().state === "failed");
      if (isBroken) counts.failed += 1;
    }
    if (process.env.TEST_COUNTS_FILE) writeFileSync(process.env.TEST_COUNTS_FILE, JSON.stringify(counts));
  }
}
