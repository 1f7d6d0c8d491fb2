import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ensureBuilt, ensureDashboard, ensureInstalled, refuseOldNode, root } from "./ensure.mjs";

refuseOldNode();
ensureInstalled();
ensureBuilt();
ensureDashboard();
void import(pathToFileURL(join(root, "dist/scripts/start.js")).href).then((module) =>
  module.start(process.argv.slice(2)),
);
