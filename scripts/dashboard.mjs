// Builds the dashboard into dist/web if it is missing or older than its sources.
import { ensureDashboard, ensureInstalled, refuseOldNode } from "./ensure.mjs";

refuseOldNode();
ensureInstalled();
ensureDashboard();
