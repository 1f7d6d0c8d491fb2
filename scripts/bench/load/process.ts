// Forked by `LoadProcess`: the load has a process, and so an event loop, of its own.
import { openEtcd } from "./etcd-operations.js";
import type { Opened } from "./http.js";
import { closedLoop, openLoop, Tally } from "./loops.js";
import { openMongodb } from "./mongodb-operations.js";
import { openNats } from "./nats-operations.js";
import { openQuorumlog } from "./quorumlog-operations.js";
import { type FromLoad, type LoadResult, type LoadSpec, machineMs, type ToLoad } from "./spec.js";

const PROGRESS_EVERY_MS = 1_000;
/** Numbers operations across runs, so that no two events are equal. */
let firstN = 0;
let current: { tally: Tally; finish: () => void } | undefined;

function tell(message: FromLoad): void {
  process.send?.(message);
}

function open(spec: LoadSpec): Promise<Opened> {
  const { target } = spec;
  switch (target.kind) {
    case "quorumlog":
      return openQuorumlog(target, spec);
    case "etcd":
      return openEtcd(target, spec);
    case "nats":
      return openNats(target, spec);
    case "mongodb":
      return openMongodb(target, spec);
  }
}

async function run(spec: LoadSpec): Promise<LoadResult> {
  const { operation, close } = await open(spec);
  const tally = new Tally();
  const progress = setInterval(() => {
    tell({ kind: "progress", events: tally.events, errors: tally.errorCount });
  }, PROGRESS_EVERY_MS);
  const startedAtMs = machineMs();
  let endedAtMs = startedAtMs;
  try {
    await untilFinished(spec, operation, tally);
    endedAtMs = machineMs();
  } finally {
    clearInterval(progress);
    await close();
  }
  const seconds = (endedAtMs - startedAtMs) / 1_000;
  const { operations, events, errors, dropped, unfinished, acknowledgements } = tally;
  const latency = tally.latency.counts();
  firstN += operations + tally.errorCount + dropped + spec.clients;
  return { operations, events, seconds, endedAtMs, errors, latency, dropped, unfinished, acknowledgements };
}

/** Until its time is over, or until the parent says that it is enough: then what is under way is still awaited. */
async function untilFinished(spec: LoadSpec, operation: Opened["operation"], tally: Tally): Promise<void> {
  let isFinished = false;
  current = {
    tally,
    finish: () => {
      isFinished = true;
    },
  };
  const isOver = () => isFinished;
  const { perSecond } = spec;
  if (perSecond === undefined) await closedLoop(spec, { operation, tally, firstN, isOver });
  else await openLoop({ ...spec, perSecond }, { operation, tally, firstN, isOver });
  current = undefined;
}

process.on("message", (message: ToLoad) => {
  if (message.kind === "finish") return current?.finish();
  run(message.spec).then(
    (result) => tell({ kind: "result", result }),
    (error: Error) => tell({ kind: "failed", message: error.message }),
  );
});
process.on("disconnect", () => process.exit());
