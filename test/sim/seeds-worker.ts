import { inMacrotask } from "./drain.js";
import type { Batch } from "./seeds.js";
import { type RunResult, simulate } from "./simulation.js";
import { noteError } from "./violation.js";

process.on("unhandledRejection", noteError);

process.on("message", async ({ seeds, profile }: Batch) => {
  const results: RunResult[] = [];
  for (const seed of seeds) results.push(await inMacrotask(() => simulate({ seed, profile })));
  // Whoever has asked may have been ended meanwhile, by Ctrl-C: nobody wants them then.
  process.send?.(results, undefined, undefined, () => undefined);
});
