import { messageOf } from "./project.js";
import { UsageError } from "./usage.js";

/** Exit codes of every command here: what was asked wrongly, what was found to break a promise, what cannot be started. */
export const USAGE_ERROR = 2;
export const INTEGRITY_FAILURE = 3;
export const BAD_CONFIGURATION = 78;

/** Keeps something from starting until a person has changed something: its message is the cause and the remedy. */
export class StartError extends Error {}

/** Runs a command and ends the process: with the code that it gives, or with a message instead of a stack trace. */
export function runCommand(command: () => Promise<number>, usage = ""): void {
  command().then(
    (exitCode) => process.exit(exitCode),
    (error) => {
      const isUsage = error instanceof UsageError || String(error?.code).startsWith("ERR_PARSE_ARGS");
      process.stderr.write(`${messageOf(error)}\n${isUsage && usage !== "" ? `\n${usage}` : ""}`);
      process.exit(isUsage ? USAGE_ERROR : error instanceof StartError ? BAD_CONFIGURATION : 1);
    },
  );
}
