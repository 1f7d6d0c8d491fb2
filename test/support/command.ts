import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { reapWithUs } from "../../scripts/mongod/reaper.js";

/** What a command of ours printed. Rejects with just that, its seed among it, unless the command ends with exit code 0. */
export async function outputOf(args: readonly string[]): Promise<string> {
  const run = promisify(execFile)(process.execPath, args);
  reapWithUs(run.child);
  const printed = (result: { stdout: string; stderr: string }): string => `${result.stdout}${result.stderr}`;
  return run.then(printed, (error: Error & { stdout: string; stderr: string }) => {
    throw new Error(`${error.message}\n${printed(error)}`);
  });
}
