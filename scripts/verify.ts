import { readFile } from "node:fs/promises";
import { INTEGRITY_FAILURE, runCommand } from "./lib/command.js";
import { isMissing } from "./lib/file-problem.js";
import { messageOf } from "./lib/project.js";
import { verifyEvidence } from "./verify/evidence.js";
import { ExpectedHead } from "./verify/expected.js";
import { fsck } from "./verify/fsck.js";
import { verifyCluster } from "./verify/live.js";
import { NodeDatabase } from "./verify/mongodb.js";
import { parseVerifyOptions, USAGE, type VerifyOptions } from "./verify/options.js";
import { describe, isVerified, jsonOf, Progress, type Result } from "./verify/report.js";

const NOT_FOUND = 4;
const NOT_ALLOWED = 5;

async function main(): Promise<number> {
  const options = parseVerifyOptions(process.argv.slice(2));
  if (options === "help") {
    process.stdout.write(USAGE);
    return 0;
  }
  const progress = new Progress(process.stderr);
  try {
    const result = await verify(options, progress);
    progress.end();
    process.stdout.write(options.json ? `${jsonOf(result)}\n` : `${describe(result).join("\n")}\n`);
    if (result.findings.count > 0) return INTEGRITY_FAILURE;
    return isVerified(result) ? 0 : 1;
  } catch (error) {
    progress.end();
    if (!isMissing(error) && !isForbidden(error)) throw error;
    process.stderr.write(`${messageOf(error)}\n`);
    return isMissing(error) ? NOT_FOUND : NOT_ALLOWED;
  }
}

/** MongoDB's codes for a wrong password and a missing right; the system's for a file. */
const isForbidden = (error: unknown): boolean =>
  [13, 18, 8000, "EACCES", "EPERM"].includes((error as { code?: number | string }).code ?? "");

async function verify({ target, signatures, expect }: VerifyOptions, progress: Progress): Promise<Result> {
  const startedAt = performance.now();
  const expected = expect === null ? null : new ExpectedHead(expect);
  const seconds = (): number => (performance.now() - startedAt) / 1_000;
  if (target.kind === "url") {
    const onProgress = (done: number, of: number): void => progress.show(done, of, "blocks");
    const found = await verifyCluster(target.value, { signatures, expected, onProgress });
    return { what: "Live cluster", ...found, seconds: seconds() };
  }
  if (target.kind === "file") {
    const { node, blocks, findings } = verifyEvidence(await readFile(target.value, "utf8"));
    return { what: "Evidence bundle", nodes: [node], blocks, head: null, findings, silent: [], seconds: seconds() };
  }
  const onProgress = (done: number, of: number): void => progress.show(done, of, "events");
  const database = await NodeDatabase.open(target.value);
  try {
    const { node, chain, blocks, findings } = await fsck(database, { signatures, expected, onProgress });
    const head = { size: chain.tree.size, root: chain.tree.root };
    return { what: `Database ${database.name}`, nodes: [node], blocks, head, findings, silent: [], seconds: seconds() };
  } finally {
    await database.close();
  }
}

runCommand(main, USAGE);
