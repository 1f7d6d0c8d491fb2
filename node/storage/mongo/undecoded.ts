import { Binary, BSON, type Collection, type Filter, type FindOptions, MongoError, type WithId } from "mongodb";
import { StoreError } from "../port.js";

/** Where one cannot be decoded, so many are read one by one. */
export const ALONE_MAX = 16;

/** Documents come as their bytes: one that cannot be decoded hides no other, and is told from a store that does not answer. */
export const RAW = { raw: true } as const;

/** What was read as bytes, decoded as the driver does it; null where that cannot be done: nobody of this log wrote it. */
export function decoded<T>(bytes: unknown, options: BSON.DeserializeOptions = {}): T | null {
  try {
    return BSON.deserialize(bytes as Uint8Array, { ...AS_BY_THE_LINK, ...options }) as T;
  } catch {
    return null;
  }
}
const AS_BY_THE_LINK = { bsonRegExp: true, validation: { utf8: false } } as const;

/** The same; of one that cannot be decoded its id and its bytes. */
export const decodedOrBytes = <T extends BSON.Document>(bytes: unknown, _id: unknown, options = {}): T =>
  decoded<T>(bytes, options) ?? ({ _id, bson: new Binary(bytes as Uint8Array) } as unknown as T);

/**
 * What `read` gives; or, where the driver cannot decode one of them, each for itself: that one by its id alone, or what else is
 * `known` of it, which is no sound block and no sound entry.
 */
export async function orEachAlone<T extends BSON.Document>(
  from: Collection<T>,
  read: () => Promise<WithId<T>[]>,
  there: Filter<T>,
  { limit = 0, hint = BY_ID, sort = BY_ID, ...alone }: FindOptions = {},
  known: BSON.Document = BY_ID,
): Promise<WithId<T>[]> {
  try {
    return await read();
  } catch (error) {
    if (!isUndecoded(error)) throw error;
  }
  const found: WithId<T>[] = [];
  for (const only of await from.find(there, { hint, sort, limit, projection: known }).toArray())
    try {
      const document = await from.findOne({ _id: only._id } as Filter<T>, alone);
      if (document !== null) found.push(document);
    } catch (error) {
      if (!isUndecoded(error)) throw error;
      found.push(only);
    }
  return found;
}
const BY_ID = { _id: 1 } as const;

/** What the server has answered, and the driver could not read. */
const isUndecoded = (error: unknown): boolean => !(error instanceof MongoError || error instanceof StoreError);
