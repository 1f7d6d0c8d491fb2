import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../../", import.meta.url));
/** Inside of the repository, so that imports of packages are found. */
const scratch = join(root, "dist/mutants");
const COMPILED = ["shared", "cluster", "node", "test/sim", "test/doubles"];

/** A copy of the compiled product and simulator, in which files are other ones: by the name of the source, as JavaScript. */
export function copyWith(name: string, changed: ReadonlyMap<string, string>): string {
  const folder = join(scratch, name);
  rmSync(folder, { recursive: true, force: true });
  for (const part of COMPILED) {
    mkdirSync(dirname(join(folder, part)), { recursive: true });
    cpSync(join(root, "dist", part), join(folder, part), { recursive: true, filter: (path) => !path.endsWith(".map") });
  }
  for (const [file, text] of changed) writeFileSync(join(folder, file.replace(/\.ts$/, ".js")), text);
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }\n');
  return folder;
}
