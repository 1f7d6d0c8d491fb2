import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * A shell that reads `add PID` and `drop PID` from a pipe. The pipe closes however this process ends, SIGKILL included;
 * then the shell kills what is left (what a start script in the folder had started, too) and removes the temporary
 * folder. So no test run leaves a mongod or a file behind.
 */
const SHELL = `
trap '' HUP INT TERM
pids=" "
while read -r verb pid; do
  case $verb in
    add) pids="$pids$pid " ;;
    drop) case $pids in *" $pid "*) pids="\${pids%% $pid *} \${pids#* $pid }" ;; esac ;;
  esac
done
for pid in $pids $(find "$1" -name "*.pid" -exec cat {} +); do kill -9 "$pid" 2>/dev/null; done
for attempt in 1 2 3 4 5; do rm -rf "$1" 2>/dev/null && break; sleep 0.2; done
`;

let reaper: { shell: ChildProcess; folder: string } | undefined;

/** A folder that lives no longer than this process. */
export function temporaryFolder(name: string): string {
  return mkdtempSync(join(theReaper().folder, `${name}-`));
}

/** The child dies with this process, however this process dies. */
export function reapWithUs(child: ChildProcess): void {
  const { pid } = child;
  if (pid === undefined) return;
  theReaper().shell.stdin?.write(`add ${pid}\n`);
  child.once("exit", () => theReaper().shell.stdin?.write(`drop ${pid}\n`));
}

function theReaper(): { shell: ChildProcess; folder: string } {
  if (reaper !== undefined) return reaper;
  const folder = mkdtempSync(join(tmpdir(), "quorumlog-"));
  const shell = spawn("sh", ["-c", SHELL, "reaper", folder], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
  shell.unref();
  (shell.stdin as unknown as { unref(): void }).unref();
  reaper = { shell, folder };
  return reaper;
}
