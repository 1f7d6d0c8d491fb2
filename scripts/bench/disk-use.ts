import { MongoClient } from "mongodb";

/** The oplog and what mongod keeps for itself. */
const NOT_COUNTED = ["local", "admin", "config"];

/** What each collection of a server takes on its disk, in bytes. */
export type DiskUse = Readonly<Record<string, { readonly storage: number; readonly indexes: number }>>;

export async function diskUseAt(uri: string): Promise<DiskUse> {
  const client = new MongoClient(uri);
  try {
    return await diskUseOf(client);
  } finally {
    await client.close();
  }
}

/** After a checkpoint: before it, much of what was written stands in the journal only. */
export async function diskUseOf(client: MongoClient): Promise<DiskUse> {
  await client.db("admin").command({ fsync: 1 });
  const { databases } = await client.db("admin").admin().listDatabases({ nameOnly: true });
  const uses: Record<string, { storage: number; indexes: number }> = {};
  for (const { name } of databases.filter((database) => !NOT_COUNTED.includes(database.name))) {
    const db = client.db(name);
    for (const collection of await db.listCollections({ type: "collection" }, { nameOnly: true }).toArray()) {
      const [stats] = await db
        .collection(collection.name)
        .aggregate<{ storage: number; indexes: number }>([
          { $collStats: { storageStats: {} } },
          { $project: { storage: "$storageStats.storageSize", indexes: "$storageStats.totalIndexSize" } },
        ])
        .toArray();
      if (stats !== undefined) uses[collection.name] = { storage: stats.storage, indexes: stats.indexes };
    }
  }
  return uses;
}
