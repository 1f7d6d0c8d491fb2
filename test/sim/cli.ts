import { parseArgs } from "node:util";
import { type RunResult, simulate } from "./simulation.js";

/** `npm run simulate -- --seed 1234 [--trace]`, or a range: `--from 1 --count 1000`. */
const HELP = `Runs the deterministic simulator of the replicated log.

  --seed N      one run
  --trace       print everything that happens in it
  --until MS    stop there, without the calm at the end
  --from N      first seed of a range (default 1)
  --count N     how many (default 500)
  --fail-fast   stop at the first that fails
`;

function main(): void {
  const { values } = parseArgs({
    options: {
      seed: { type: "string" },
      trace: { type: "boolean", default: false },
      until: { type: "string" },
      from: { type: "string", default: "1" },
      count: { type: "string", default: "500" },
      "fail-fast": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const range = { from: Number(values.from), count: Number(values.count), isFailFast: values["fail-fast"] };
  const failed = values.seed === undefined ? runRange(range) : runOne(values);
  process.exitCode = failed ? 1 : 0;
}

function runOne(values: { seed?: string; trace?: boolean; until?: string }): boolean {
  const result = simulate({
    seed: Number(values.seed),
    ...(values.trace ? { print: (line: string) => console.log(line) } : {}),
    ...(values.until === undefined ? {} : { stopAtMs: Number(values.until) }),
  });
  report(result, !values.trace);
  return result.failure !== null;
}

function runRange({ from, count, isFailFast }: { from: number; count: number; isFailFast: boolean }): boolean {
  const started = performance.now();
  const results: RunResult[] = [];
  for (let seed = from; seed < from + count; seed++) {
    const result = simulate({ seed });
    if (result.failure !== null) report(result, false);
    results.push(result);
    if (isFailFast && result.failure !== null) break;
  }
  const sum = (of: (result: RunResult) => number): number => results.reduce((total, result) => total + of(result), 0);
  const failed = results.filter((result) => result.failure !== null);
  console.log(
    `${results.length} seeds from ${from} in ${((performance.now() - started) / 1000).toFixed(1)} s: ${failed.length} failed; ` +
      `${sum((it) => it.blocks)} blocks, ${sum((it) => it.acknowledged)} acknowledged writes, ${sum((it) => it.reads)} confirmed reads, ` +
      `${sum((it) => it.elections)} elections, led again after at most ${Math.max(...results.map((it) => it.recoveryMs))} ms`,
  );
  return failed.length > 0;
}

function report(result: RunResult, withLines: boolean): void {
  const { seed, nodes, failure, acknowledged, elections, blocks, faults, traceHash } = result;
  console.log(
    `seed ${seed}: ${failure === null ? "held" : "FAILED"}, ${nodes} nodes, ${blocks} blocks, ` +
      `${acknowledged} acknowledged, ${elections} elections, faults ${JSON.stringify(faults)}, trace ${traceHash.slice(0, 16)}`,
  );
  if (failure === null) return;
  if (withLines) for (const line of failure.lastLines) console.log(`  ${line}`);
  console.log(`  at ${failure.atMs} ms: ${failure.message}`);
}

main();
