import { runBench } from "./bench/compare.js";
import { USAGE } from "./bench/options.js";
import { runSize } from "./bench/size.js";
import { runSoak } from "./bench/soak.js";
import { runCommand } from "./command.js";

async function main([first = "", ...rest]: string[]): Promise<number> {
  if ([first, ...rest].includes("--help")) process.stdout.write(USAGE);
  else if (first === "size") await runSize(rest);
  else if (first === "soak") await runSoak(rest);
  else await runBench([first, ...rest].filter((arg) => arg !== ""));
  return 0;
}

// The reaper ends what was started, and removes its data, however this process ends: so Ctrl-C needs no more.
runCommand(() => main(process.argv.slice(2)), USAGE);
