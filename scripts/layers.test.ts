import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { projectRoot } from "./lib/project.js";

// dependency-cruiser reports "no violations" when it cannot parse TypeScript at all: so bad imports are planted.
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "quorumlog-layers-"));
  for (const file of [".dependency-cruiser.cjs", "tsconfig.base.json", "package.json"]) {
    copyFileSync(join(projectRoot(), file), join(folder, file));
  }
  symlinkSync(join(projectRoot(), "node_modules"), join(folder, "node_modules"));
  for (const layer of ["shared", "cluster", "node", "dashboard", "scripts/judge", "scripts/verify", "scripts/fuzz"])
    mkdirSync(join(folder, layer), { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true }));

it("the layer rules see an upward import, a Node API in the core, a judge, a verifier, a fuzz and a dashboard that borrow code", () => {
  writeFileSync(join(folder, "node", "upper.ts"), `import "../shared/lower.js";\nexport const upper = 1;\n`);
  writeFileSync(
    join(folder, "shared", "lower.ts"),
    `import { upper } from "../node/upper.js";\nexport const a = upper;\n`,
  );
  writeFileSync(join(folder, "cluster", "core.ts"), `import "node:fs";\nimport "../shared/lower.js";\n`);
  writeFileSync(join(folder, "scripts", "judge", "lazy.ts"), `import "../../shared/lower.js";\n`);
  writeFileSync(join(folder, "scripts", "verify", "trusting.ts"), `import "../../shared/lower.js";\n`);
  writeFileSync(join(folder, "scripts", "fuzz", "knowing.ts"), `import "../../shared/lower.js";\n`);
  writeFileSync(
    join(folder, "dashboard", "page.tsx"),
    `import { upper } from "../node/upper.js";\nexport const b = upper;\n`,
  );
  const cruise = join(folder, "node_modules/dependency-cruiser/bin/dependency-cruise.mjs");
  const args = [cruise, "--config", ".dependency-cruiser.cjs", "shared", "cluster", "node", "dashboard", "scripts"];
  const { status, stdout } = spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8" });
  expect(status).not.toBe(0);
  expect(stdout).toContain("shared-uses-nothing-above");
  expect(stdout).toContain("core-has-no-platform");
  expect(stdout).toContain("judge-shares-no-code");
  expect(stdout).toContain("verify-shares-no-code");
  expect(stdout).toContain("fuzz-knows-no-code");
  expect(stdout).toContain("dashboard-uses-shared-only");
  expect(stdout).toContain("no-circular");
});
