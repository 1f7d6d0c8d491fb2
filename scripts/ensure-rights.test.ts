import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { projectRoot } from "./lib/project.js";

/** Nobody's, on Linux and macOS: root may write everywhere. */
const OTHER_USER = 65_534;
let folder: string;

const write = (name: string, text: string): void => {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), text);
};

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "quorumlog-rights-")));
  write("package-lock.json", '{"packages":{"":{}}}');
  write("node_modules/.package-lock.json", '{"packages":{}}');
  write("node_modules/typescript/bin/tsc", 'console.log("A non-dry build would build project"); process.exit(1);');
  mkdirSync(join(folder, "scripts"));
  for (const name of ["start.mjs", "ensure.mjs"])
    copyFileSync(join(projectRoot(), "scripts", name), join(folder, "scripts", name));
});

afterEach(() => rmSync(folder, { recursive: true }));

function startAsOther(): { status: number | null; said: string } {
  for (const name of [...readdirSync(folder, { recursive: true }).map(String), "."])
    chmodSync(join(folder, name), 0o555);
  const uid = process.getuid?.() === 0 ? { uid: OTHER_USER } : {};
  const { status, stderr } = spawnSync(process.execPath, [join(folder, "scripts/start.mjs")], {
    ...uid,
    encoding: "utf8",
  });
  for (const name of [".", ...readdirSync(folder, { recursive: true }).map(String)])
    chmodSync(join(folder, name), 0o755);
  return { status, said: stderr };
}

it.skipIf(process.platform === "win32")(
  "who may not write where the code is built is told so at once, in one line",
  () => {
    const { status, said } = startAsOther();
    expect(said).toBe(
      `The code must be built, and this user may not write to ${folder}. Start once as the user who owns it, or give this one the right.\n`,
    );
    expect(status).toBe(78);
    write("dist/scripts/start.js", "");
    expect(startAsOther()).toMatchObject({ status: 78, said: expect.stringContaining(join(folder, "dist")) });
  },
);

it.skipIf(process.platform === "win32")("who may not build starts what is built", () => {
  write("node_modules/typescript/bin/tsc", "");
  write("dist/scripts/start.js", 'export const start = () => console.error("started");');
  write("package.json", '{"type":"module"}');
  expect(startAsOther()).toEqual({ status: 0, said: "started\n" });
});

it.skipIf(process.platform === "win32")("nor is anything installed where that cannot be", () => {
  write("package-lock.json", '{"packages":{"":{},"node_modules/a":{"version":"1.0.0"}}}');
  const { status, said } = startAsOther();
  expect(said).toMatch(
    /^Libraries must be installed, as a is missing, and this user may not write to .*node_modules\. /,
  );
  expect(status).toBe(78);
});
