import { MongoClient } from "mongodb";
import { afterAll, beforeAll } from "vitest";
import { startMongod, type TestMongod } from "../../test/support/mongod.js";
import { openStorage } from "./open-storage.js";
import type { Storage } from "./port.js";
import { ReplyProxy } from "./reply-proxy.js";
import { type StorageHarness, storageContract } from "./storage-contract.js";

let mongod: TestMongod;
beforeAll(async () => {
  mongod = await startMongod();
});
afterAll(() => mongod.stop());

let databases = 0;

async function make(): Promise<StorageHarness> {
  const proxy = await ReplyProxy.start(mongod.port);
  const name = `contract_${++databases}`;
  const open: Storage[] = [];
  const raw = async <T>(use: (client: MongoClient) => Promise<T>): Promise<T> => {
    const client = new MongoClient(`mongodb://127.0.0.1:${mongod.port}/?directConnection=true`);
    return use(client).finally(() => client.close());
  };
  return {
    process(self) {
      const storage = openStorage({
        ...self,
        mongodbUri: `mongodb://127.0.0.1:${proxy.port}/${name}`,
        stallMs: 1_000,
        commandMs: 1_000,
        slowMs: 800,
        uncleanWaitMs: 10,
        initReplicaSet: false,
        allowUnsafeMongod: false,
        onRefused: (sequence, reason) => {
          throw new Error(`event ${sequence}: ${reason}`);
        },
      });
      open.push(storage);
      return storage;
    },
    async alterState(change) {
      const set = Object.fromEntries(Object.entries(change).map(([member, value]) => [`hard.${member}`, value]));
      await raw((client) =>
        client.db(name).collection<{ _id: string }>("state").updateOne({ _id: "state" }, { $set: set }),
      );
    },
    failNextWrite: (fault, skip) => proxy.failNextWrite(fault, skip),
    disarm: () => proxy.disarm(),
    deliverLate: () => proxy.deliverLate(),
    async restartServer() {
      await mongod.kill();
      await mongod.start();
    },
    quarantinedHeights: () =>
      raw(async (client) => {
        const found = await client.db(name).collection("quarantine").find().sort({ height: 1 }).toArray();
        return found.map((document) => document.height as number);
      }),
    async dispose() {
      await Promise.all(open.splice(0).map(({ log }) => log.close()));
      await proxy.stop();
      await raw((client) => client.db(name).dropDatabase());
    },
  };
}

storageContract("in MongoDB", make);
