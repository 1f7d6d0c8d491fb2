import { type Db, MongoClient } from "mongodb";
import { poll } from "../../lib/processes.js";
import { writeOne } from "./load.js";

const THERE_WITHIN_MS = 120_000;

/** A block with events: what is edited stands in its first event. */
export interface Target {
  readonly height: number;
  readonly sequence: number;
}

/** A node's database, behind the node's back. */
export async function withDatabase<T>(uri: string, work: (db: Db) => Promise<T>): Promise<T> {
  const client = await MongoClient.connect(uri);
  try {
    return await work(client.db());
  } finally {
    await client.close();
  }
}

export async function targetsFrom(db: Db, height: number, count: number): Promise<Target[]> {
  const blocks = db.collection<{ _id: number; header: { firstSequence: number } }>("blocks");
  const fields = { projection: { "header.firstSequence": 1 } };
  const found = await blocks
    .find({ _id: { $gte: height }, "header.eventCount": { $gt: 0 } }, fields)
    .sort({ _id: 1 })
    .limit(count)
    .toArray();
  return found.map(({ _id, header }) => ({ height: _id, sequence: header.firstSequence }));
}

/** A new block, whose event can be edited, in the databases of some nodes; written through `url`, which may be another's. */
export async function newTarget(dbs: readonly Db[], url: string): Promise<Target> {
  const { height } = await writeOne(url);
  const found = [];
  for (const db of dbs) found.push(await committedOn(db, url, height));
  return found[0] as Target;
}

/** What a node has not heard to be committed yet is not its to judge. */
async function committedOn(db: Db, url: string, height: number): Promise<Target> {
  const committed = await poll(
    async () => {
      await writeOne(url);
      return (await targetsFrom(db, height, 1)).at(0);
    },
    { withinMs: THERE_WITHIN_MS, everyMs: 50 },
  );
  if (committed === undefined) throw new Error(`block ${height} did not come to this node`);
  return committed;
}

/** Waits until no block came for so long. */
export async function stillness(db: Db, forMs: number): Promise<void> {
  const newest = async () => (await db.collection<{ _id: number }>("blocks").findOne({}, { sort: { _id: -1 } }))?._id;
  let seen = await newest();
  let since = performance.now();
  const isStill = await poll(
    async () => {
      const now = await newest();
      if (now !== seen) [seen, since] = [now, performance.now()];
      return performance.now() - since >= forMs || undefined;
    },
    { withinMs: THERE_WITHIN_MS, everyMs: 100 },
  );
  if (isStill === undefined) throw new Error("blocks come although nobody writes");
}

/** Blocks that were there before anybody looks, each for one case: what was changed once stays as it is. */
export class Places {
  constructor(private next: number) {}

  async take(db: Db, count: number): Promise<readonly [Target, Target]> {
    const found = await targetsFrom(db, this.next, count + 1);
    // One between two, as some cases take the block before.
    const taken = found.slice(1);
    const [first] = taken;
    const last = taken.at(-1);
    if (first === undefined || last === undefined || taken.length < count)
      throw new Error("the log has too few blocks: give more --events");
    this.next = last.height + 1;
    return [first, last];
  }
}
