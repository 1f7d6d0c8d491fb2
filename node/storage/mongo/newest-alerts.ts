import { type BSON, type Collection, type Filter, MongoServerError } from "mongodb";
import type { Range } from "../incident.js";
import type { AlertRecord } from "../port.js";
import { LIMITED } from "./options.js";
import { RAW } from "./undecoded.js";

export type AlertDocument = { _id: string; mac?: unknown; found?: readonly Range[] } & Omit<AlertRecord, "id">;
type Alerts = Pick<Collection<AlertDocument>, "find" | "aggregate">;
type Key = Pick<AlertDocument, "_id" | "lastSeenAt"> & { readonly size: number };

/**
 * What is larger is no alert: with 16,384 places, and 64 fields and 32 steps whose texts are as long as they may be, in characters
 * of three bytes each, one takes about 3 MiB.
 */
const ALERT_BYTES_MAX = 4 * 1024 * 1024;
const TEXT_BYTES_MAX = 64;
/** Documents that are looked at together: the server reads the whole of each, and each may have 16 MiB. */
const LOOKED_AT_ONCE = 8;
/** Read together: so many, or one that is larger. */
const READ_AT_ONCE = 1_000;
const READ_BYTES = ALERT_BYTES_MAX;
const MAX_TIME_EXPIRED = 50;
const BY_ID = { _id: 1 } as const;

const isShortText = (field: string): BSON.Document => ({
  $cond: [{ $eq: [{ $type: field }, "string"] }, { $lte: [{ $strLenBytes: field }, TEXT_BYTES_MAX] }, false],
});
const CAN_BE_ALERT = {
  $expr: {
    $and: [isShortText("$_id"), isShortText("$lastSeenAt"), { $lte: [{ $bsonSize: "$$ROOT" }, ALERT_BYTES_MAX] }],
  },
};

/**
 * Documents of which each may be an alert, the newest first, as bytes. Which these are is found by a few short texts of each: whoever
 * alters a database can plant more than a server sorts, or reads in the time of one command.
 */
export async function* newestAlerts(
  alerts: Alerts,
  filter: Filter<AlertDocument>,
  countMax: number,
): AsyncGenerator<unknown> {
  const keys = await newestOf(alerts, filter, countMax).catch((error: unknown) => {
    if (!isOutOfTime(error)) throw error;
    return newestInParts(alerts, filter, countMax);
  });
  for (let i = 0; i < keys.length; ) {
    const ids: string[] = [];
    for (let bytes = 0; i < keys.length && ids.length < READ_AT_ONCE; i++) {
      const { _id, size } = keys[i] as Key;
      bytes += size;
      if (ids.length > 0 && bytes > READ_BYTES) break;
      ids.push(_id);
    }
    yield* alerts.find({ ...filter, _id: { $in: ids }, ...CAN_BE_ALERT }, { ...RAW, ...LIMITED }).sort(NEWEST_FIRST);
  }
}
const NEWEST_FIRST = { lastSeenAt: -1, _id: 1 } as const;

export const isOutOfTime = (error: unknown): boolean =>
  error instanceof MongoServerError && error.code === MAX_TIME_EXPIRED;

function newestOf(alerts: Alerts, filter: Filter<AlertDocument>, countMax: number): Promise<Key[]> {
  const found = { $match: { ...filter, ...CAN_BE_ALERT } };
  const keys = { $project: { lastSeenAt: 1, size: { $bsonSize: "$$ROOT" } } };
  return alerts.aggregate<Key>([found, keys, { $sort: NEWEST_FIRST }, { $limit: countMax }], LIMITED).toArray();
}

/** A few at a time, each with the time of a command: it takes long, and comes to its end. */
async function newestInParts(alerts: Alerts, filter: Filter<AlertDocument>, countMax: number): Promise<Key[]> {
  const ids: string[] = [];
  // The index has them: no document is read for it.
  const strings = { _id: { $gte: "", $lt: BEHIND_HEX } };
  for await (const { _id } of alerts.find(strings, { ...LIMITED, hint: BY_ID, projection: BY_ID }))
    if (HEX.test(_id)) ids.push(_id);
  let newest: Key[] = [];
  for (let i = 0; i < ids.length; i += LOOKED_AT_ONCE) {
    const some = { ...filter, _id: { $in: ids.slice(i, i + LOOKED_AT_ONCE) } };
    newest = [...newest, ...(await newestOf(alerts, some, LOOKED_AT_ONCE))].sort(byAge).slice(0, countMax);
  }
  return newest;
}
/** As ids of alerts are. */
const HEX = /^[0-9a-f]{24}$/;
const BEHIND_HEX = "g";
const byAge = (a: Key, b: Key): number =>
  a.lastSeenAt === b.lastSeenAt ? (a._id < b._id ? -1 : 1) : a.lastSeenAt > b.lastSeenAt ? -1 : 1;
