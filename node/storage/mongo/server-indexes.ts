import { type BSON, type Collection, type IndexDirection, MongoServerError } from "mongodb";

/** An index of the server, as it is made and found again. */
export interface ServerIndex {
  readonly name: string;
  readonly key: { readonly [field: string]: IndexDirection };
  readonly partialFilterExpression: BSON.Document;
}

/** Somebody has made one of the same name or fields that is not ours. */
const INDEX_CONFLICTS = new Set([85, 86]);

/** Makes indexes that are not there; what somebody has made in their place, or of the same first field, goes. */
export async function makeIndexes(
  collection: Pick<Collection<BSON.Document & { _id: number }>, "createIndexes" | "listIndexes" | "dropIndex">,
  indexes: readonly ServerIndex[],
): Promise<void> {
  const specs = indexes.map(({ key, ...options }) => ({ key: { ...key }, ...options }));
  try {
    await collection.createIndexes(specs);
  } catch (error) {
    if (!(error instanceof MongoServerError) || !INDEX_CONFLICTS.has(Number(error.code))) throw error;
    const ours = new Set(indexes.map(({ key }) => Object.keys(key)[0]));
    for (const { name, key } of await collection.listIndexes().toArray())
      if (ours.has(Object.keys(key)[0]) || indexes.some((index) => index.name === name))
        await collection.dropIndex(name);
    await collection.createIndexes(specs);
  }
}
