import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
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
});
afterEach(() => rmSync(folder, { recursive: true }));

function plant(file: string, text: string): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), text);
}

function cruise(...folders: string[]) {
  const program = join(folder, "node_modules/dependency-cruiser/bin/dependency-cruise.mjs");
  const args = [program, "--config", ".dependency-cruiser.cjs", ...folders];
  return spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8" });
}

it("the layer rules see an upward import, a Node API in the core, a judge, a verifier, a fuzz and a dashboard that borrow code", () => {
  plant("node/upper.ts", `import "../shared/lower.js";\nexport const upper = 1;\n`);
  plant("shared/lower.ts", `import { upper } from "../node/upper.js";\nexport const a = upper;\n`);
  plant("cluster/core.ts", `import "node:fs";\nimport "../shared/lower.js";\n`);
  plant("scripts/judge/lazy.ts", `import "../../shared/lower.js";\n`);
  plant("scripts/verify/trusting.ts", `import "../../shared/lower.js";\n`);
  plant("scripts/fuzz/knowing.ts", `import "../../shared/lower.js";\n`);
  plant("dashboard/page.tsx", `import { upper } from "../node/upper.js";\nexport const b = upper;\n`);
  const { status, stdout } = cruise("shared", "cluster", "node", "dashboard", "scripts");
  expect(status).not.toBe(0);
  expect(stdout).toContain("shared-uses-nothing-above");
  expect(stdout).toContain("core-has-no-platform");
  expect(stdout).toContain("judge-shares-no-code");
  expect(stdout).toContain("verify-shares-no-code");
  expect(stdout).toContain("fuzz-knows-no-code");
  expect(stdout).toContain("dashboard-uses-shared-only");
  expect(stdout).toContain("no-circular");
});

/** A file of each room, with one of a room that it may not import: the next one above it, or beside it. */
const ROOMS = [
  ["ground", "clock.ts", "storage/planted.ts"],
  ["ground", "problems.ts", "storage/planted.ts"],
  ["storage", "storage/planted.ts", "host/planted.ts"],
  ["host", "host/planted.ts", "config.ts"],
  ["config", "config.ts", "replica/planted.ts"],
  ["peers", "peers/planted.ts", "replica/planted.ts"],
  ["replica", "replica/planted.ts", "peers/planted.ts"],
  ["service", "service/planted.ts", "http/planted.ts"],
  ["integrity", "integrity/planted.ts", "http/planted.ts"],
  ["http", "http/planted.ts", "integrity/planted.ts"],
  ["node", "node.ts", "main.ts"],
] as const;

it("each room of node/ imports from those below it only, types too", () => {
  for (const [, file, above] of ROOMS) {
    for (const one of [file, above]) plant(`node/${one}`, "export type T = 1;\n");
  }
  expect(cruise("node").stdout).not.toContain("imports-from-below");
  for (const [, file, above] of ROOMS) {
    const path = join(file.includes("/") ? ".." : ".", above).replace(/\.ts$/, ".js");
    plant(
      `node/${file}`,
      `import type { T } from "${path.startsWith(".") ? path : `./${path}`}";\nexport type U = T;\n`,
    );
  }
  const { stdout } = cruise("node");
  for (const [room, file, above] of ROOMS) {
    expect(stdout).toMatch(new RegExp(`error ${room}-imports-from-below: node/${file} → node/${above}`));
  }
});

it("only the store knows which database it has", () => {
  plant("node/storage/mongo/log.ts", "export const a = 1;\n");
  plant("node/storage/open.ts", `import "./mongo/log.js";\n`);
  plant("node/http/app.ts", `import "../storage/mongo/log.js";\n`);
  const { stdout } = cruise("node");
  expect(stdout).toContain("mongo-behind-its-port: node/http/app.ts");
  expect(stdout).not.toContain("mongo-behind-its-port: node/storage");
});
