import { writeFileSync } from "node:fs";

/**
 * Counts tests for the sum that `npm test` prints last, and names those that failed:
 * into the file that TEST_COUNTS_FILE names.
 */
export default class CountingReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0, failures: [] };
    const note = (where, errors) => counts.failures.push(`${where}\n${errors.map(firstLines).join("\n")}`);
    if (unhandledErrors.length > 0) note("outside of any test", unhandledErrors);
    for (const module of modules) {
      const tests = [...module.children.allTests()];
      for (const test of tests) {
        const { state, errors } = test.result();
        counts[state === "passed" || state === "failed" ? state : "skipped"] += 1;
        if (state === "failed") note(`${module.relativeModuleId}: ${test.fullName}`, errors);
      }
      // A file that does not load, or a hook that throws, must not vanish because no test of it failed.
      const isBroken = module.state() === "failed" && !tests.some((test) => test.result().state === "failed");
      if (isBroken) counts.failed += 1;
      if (isBroken) note(module.relativeModuleId, module.errors());
    }
    if (process.env.TEST_COUNTS_FILE) writeFileSync(process.env.TEST_COUNTS_FILE, JSON.stringify(counts));
  }
}

/** What a reader needs to know which fault it is; the whole stands above, where the test ran. */
function firstLines(error) {
  const at = error.stacks?.[0];
  const place = at ? `\n     at ${at.file.split("/").slice(-2).join("/")}:${at.line}` : "";
  return `     ${error.message.slice(0, 400).split("\n").slice(0, 6).join("\n     ")}${place}`;
}
