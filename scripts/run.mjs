// `node scripts/run.mjs dist/scripts/simulate.js --seed 7`: installs and builds what is missing, then runs that file.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ensureBuilt, ensureInstalled, refuseOldNode, root } from "./ensure.mjs";

refuseOldNode();
ensureInstalled();
// The simulator lives among the tests, which only they need built.
ensureBuilt(process.argv[2].startsWith("dist/test/") ? "." : "scripts");
process.argv.splice(1, 2, join(root, process.argv[2]));
void import(pathToFileURL(process.argv[1]).href);
