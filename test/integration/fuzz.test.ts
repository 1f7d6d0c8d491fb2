import { join } from "node:path";
import { expect, it } from "vitest";
import { projectRoot } from "../../scripts/lib/project.js";
import { outputOf } from "../support/command.js";

it("broken, pipelined, cut and foreign requests end no node, lose no place, and are answered with the truth", {
  timeout: 600_000,
}, async () => {
  // Another seed each time: what it finds, it finds again with the seed that it names.
  const args = [join(projectRoot(), "dist/scripts/fuzz.js"), "--seconds", "60"];
  const stdout = await outputOf(args);
  expect(stdout).toMatch(/\d{3,} requests, answered .*\d+ × 201/);
  expect(stdout).toContain("No anomaly.");
});
