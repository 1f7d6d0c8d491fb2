import { runBench } from "./bench/compare.js";
import { runDashboard } from "./bench/dashboard/run.js";
import { runDisk } from "./bench/disk.js";
import { runFilters } from "./bench/filters.js";
import { USAGE } from "./bench/options.js";
import { runSize } from "./bench/size.js";
import { runSoak } from "./bench/soak.js";
import { runCommand } from "./lib/command.js";

async function main([first = "", ...rest]: string[]): Promise<number> {
  if ([first, ...rest].includes("--help")) process.stdout.write(USAGE);
  else if (first === "dashboard") await runDashboard(rest);
  else if (first === "disk") await runDisk(rest);
  else if (first === "filters") await runFilters(rest);
  else if (first === "size") await runSize(rest);
  else if (first === "soak") await runSoak(rest);
  else await runBench([first, ...rest].filter((arg) => arg !== ""));
  return 0;
}

// The reaper ends what was started, and removes its data, however this process ends: so Ctrl-C needs no more.
runCommand(() => main(process.argv.slice(2)), USAGE);
