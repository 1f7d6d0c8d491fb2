import { runBench } from "./bench/compare.js";
import { USAGE } from "./bench/options.js";
import { runSize } from "./bench/size.js";
import { runSoak } from "./bench/soak.js";
import { UsageError } from "./options.js";
import { messageOf } from "./project.js";

const USAGE_ERROR = 64;

async function main([first = "", ...rest]: string[]): Promise<void> {
  if ([first, ...rest].includes("--help")) process.stdout.write(USAGE);
  else if (first === "size") await runSize(rest);
  else if (first === "soak") await runSoak(rest);
  else await runBench([first, ...rest].filter((arg) => arg !== ""));
}

// The reaper ends what was started, and removes its data, however this process ends: so Ctrl-C needs no more.
main(process.argv.slice(2)).then(
  () => process.exit(),
  (error) => {
    const isUsage = error instanceof UsageError || (error as NodeJS.ErrnoException).code?.startsWith("ERR_PARSE_ARGS");
    process.stderr.write(`${messageOf(error)}\n${isUsage ? `\n${USAGE}` : ""}`);
    process.exit(isUsage ? USAGE_ERROR : 1);
  },
);
