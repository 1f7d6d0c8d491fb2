import { mergeEnvironment, writeReport } from "../node/config.js";
import { readEnvFile } from "../node/host/env-file.js";
import { runLive } from "./chaos/live.js";
import { runNoAlarm } from "./chaos/no-alarm.js";
import { parseChaosOptions, USAGE } from "./chaos/options.js";
import { runChaos } from "./chaos/run.js";
import { runTamper } from "./chaos/tamper/run.js";
import { describeVerdict, judgeFiles, provesNothing } from "./judge/cli.js";
import { INTEGRITY_FAILURE, runCommand, StartError } from "./lib/command.js";

async function main(): Promise<number> {
  const file = readEnvFile(".env");
  if (file.mistakes.length > 0) throw new StartError(writeReport(file.mistakes));
  const options = parseChaosOptions(process.argv.slice(2), mergeEnvironment(process.env, file));
  switch (options.mode) {
    case "help":
      process.stdout.write(USAGE);
      return 0;
    case "live":
      return await runLive(options);
    case "run":
      return await runChaos(options);
    case "tamper":
      return await runTamper(options);
    case "no-alarm":
      return await runNoAlarm(options);
    case "judge":
      return await judge(options.paths);
  }
}

async function judge(paths: string[]): Promise<number> {
  const verdict = await judgeFiles(paths);
  for (const line of describeVerdict(verdict)) console.log(line);
  if (verdict.anomalies.counts.size > 0) return INTEGRITY_FAILURE;
  return provesNothing(verdict) === null ? 0 : 1;
}

runCommand(main);
