import { BSON, type Collection, type Filter, type FindOptions, MongoError, type WithId } from "mongodb";
import { StoreError } from "../port.js";

/** Documents come as their bytes: one that cannot be decoded hides no other, and is told from a store that does not answer. */
export const RAW = { raw: true } as const;

/** What was read as bytes, decoded as the driver does it; null where that cannot be done: nobody of this log wrote it. */
export function decoded<T>(bytes: unknown, options: { readonly useBigInt64?: boolean } = {}): T | null {
  try {
    return BSON.deserialize(bytes as Uint8Array, { ...AS_BY_THE_LINK, ...options }) as T;
  } catch {
    return null;
  }
}
const AS_BY_THE_LINK = { bsonRegExp: true, validation: { utf8: false } } as const;

/**
 * What `read` gives; or, where the driver cannot decode one of them, each for itself: that one by its id alone, which is no
 * sound block and no sound entry.
 */
export async function orEachAlone<T extends BSON.Document>(
  from: Collection<T>,
  read: () => Promise<WithId<T>[]>,
  there: Filter<T>,
  { limit = 0, ...alone }: FindOptions = {},
): Promise<WithId<T>[]> {
  try {
    return await read();
  } catch (error) {
    if (!isUndecoded(error)) throw error;
  }
  const found: WithId<T>[] = [];
  for (const only of await from.find(there, { hint: BY_ID, sort: BY_ID, limit, projection: BY_ID }).toArray())
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
