import { parseArgs } from "node:util";
import { wholeNumber } from "../lib/usage.js";
import { findMongod } from "../mongod/ladder.js";
import { calibrate, calibrationText } from "./calibration.js";
import type { DiskUse } from "./disk-use.js";
import { type Fill, fillWith } from "./fill.js";
import { checkout } from "./options.js";
import { median } from "./statistics.js";
import { aligned } from "./tables.js";
import { MongodbTarget } from "./targets/mongodb.js";
import { QuorumlogTarget } from "./targets/quorumlog.js";

const HEAD = ["written", "system", "bytes an event", "storage", "indexes", "ratio", "its collections"];
const WAYS: Partial<Record<Fill, string>> = { hundreds: "in batches of 100", singly: "by 64 clients, singly" };

type DiskTarget = QuorumlogTarget | MongodbTarget;

/** What an event takes on the disk of a node, beside a plain collection with three indexes. */
export async function runDisk(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { events: { type: "string", default: "200000" }, before: { type: "string" } },
  });
  const events = wholeNumber("--events", values.events, 1_000, 100_000_000);
  const before = checkout(values.before);
  const mongodBinary = await findMongod();
  console.log(calibrationText(await calibrate()));
  const starts: (() => Promise<DiskTarget>)[] = [
    () => MongodbTarget.start(mongodBinary),
    () => QuorumlogTarget.start({ mongodBinary }),
    ...(before === null ? [] : [() => QuorumlogTarget.start({ mongodBinary, before })]),
  ];
  const rows: string[][] = [];
  for (const [fill, written] of Object.entries(WAYS) as [Fill, string][]) {
    let plain: number | undefined;
    for (const start of starts) {
      const { name, uses } = await filledUses(start, { events, fill });
      const each = perEvent(uses, events);
      plain ??= each.storage + each.indexes;
      rows.push(rowOf({ written, name, plain }, each));
    }
  }
  console.log(`\n${aligned([HEAD, ...rows])}`);
}

/** Each has the machine to itself, and a new folder: space that something else left free would be used again. */
async function filledUses(
  start: () => Promise<DiskTarget>,
  filling: { events: number; fill: Fill },
): Promise<{ name: string; uses: DiskUse[] }> {
  const target = await start();
  try {
    console.log(`${target.title}: ${filling.events} events, ${WAYS[filling.fill]} …`);
    const perSecond = await fillWith(target, filling);
    console.log(`  ${Math.round(perSecond)} a second`);
    return { name: target.name, uses: await target.diskUses() };
  } finally {
    await target.stop();
  }
}

interface PerEvent {
  readonly storage: number;
  readonly indexes: number;
  readonly collections: Readonly<Record<string, number>>;
}

/** Bytes on the node in the middle; collections below one byte an event are not named. */
export function perEvent(uses: readonly DiskUse[], events: number): PerEvent {
  const of = (key: "storage" | "indexes") =>
    median(uses.map((use) => Object.values(use).reduce((sum, one) => sum + one[key], 0))) / events;
  const names = [...new Set(uses.flatMap((use) => Object.keys(use)))];
  const collections = names.map((name): [string, number] => {
    const sizes = uses.map((use) => (use[name]?.storage ?? 0) + (use[name]?.indexes ?? 0));
    return [name, median(sizes) / events];
  });
  return {
    storage: of("storage"),
    indexes: of("indexes"),
    collections: Object.fromEntries(collections.filter(([, bytes]) => bytes >= 1).sort((a, b) => b[1] - a[1])),
  };
}

function rowOf({ written, name, plain }: { written: string; name: string; plain: number }, each: PerEvent): string[] {
  const all = each.storage + each.indexes;
  const collections = Object.entries(each.collections).map(([of, bytes]) => `${of} ${bytes.toFixed(0)}`);
  const sizes = [all, each.storage, each.indexes].map((bytes) => bytes.toFixed(0));
  return [written, name, ...sizes, `× ${(all / plain).toFixed(2)}`, collections.join(", ")];
}
