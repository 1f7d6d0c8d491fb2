import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { projectRoot } from "../lib/project.js";
import type { Download } from "./cache.js";

const VERSION = "7.0.40";
const CONNECT_TIMEOUT_MS = 5_000;

/** MongoDB's own build, through the downloader of mongodb-memory-server-core. */
export const officialDownload: Download = {
  title: `MongoDB Community Server ${VERSION} from MongoDB's download site (70 to 90 MB, licence SSPL v1)`,
  cacheName: `official-${VERSION}-${process.arch}`,
  unavailable: () => undefined,
  fetchInto: async (folder, say) => {
    // A process of its own, because the downloader has no way to be told to give up.
    const script = join(projectRoot(), "scripts/mongod/official-download.mjs");
    const child = spawn(process.execPath, [script, VERSION, folder], { stdio: ["ignore", "pipe", "pipe"] });
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill("SIGKILL");
    }, CONNECT_TIMEOUT_MS);
    let path: string | undefined;
    let errors = "";
    createInterface(child.stdout).on("line", (line) => {
      // The first line tells of the first bytes: from there on the downloader's own limit on silence holds.
      clearTimeout(timer);
      if (line.startsWith("path ")) path = line.slice(5);
      else say(`    ${line.trim()}`);
    });
    child.stderr.on("data", (chunk: Buffer) => {
      errors = (errors + chunk).slice(-4_000);
    });
    const [code] = (await once(child, "close")) as [number | null];
    clearTimeout(timer);
    if (timedOut) throw new Error(`nothing was received within ${CONNECT_TIMEOUT_MS / 1_000} seconds`);
    if (code !== 0 || path === undefined) throw new Error(oneLine(errors) || `it ended with code ${code}`);
    return path;
  },
};

function oneLine(text: string): string {
  return text.trim().replaceAll(/\s+/g, " ").slice(0, 400);
}
