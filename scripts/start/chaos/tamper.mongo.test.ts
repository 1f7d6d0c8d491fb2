import { Binary, MongoClient } from "mongodb";
import { expect, it, onTestFinished } from "vitest";
import { TestLog } from "../../../test/contracts/fixtures.js";
import { ReplyProxy } from "../../../test/doubles/reply-proxy.js";
import { startMongod } from "../../../test/support/mongod.js";
import { mongodUri } from "../../mongod/server.js";
import { alterNewestEvent, OutcomeUnknown } from "./tamper.js";

it("an event is altered; what MongoDB has not said is not told as done, nor as not done", async () => {
  const mongod = await startMongod({ replSet: false });
  onTestFinished(() => mongod.stop());
  const { blocks } = TestLog.grow(3);
  const client = await MongoClient.connect(mongod.uri);
  onTestFinished(() => client.close());
  const stored = client.db().collection<{ _id: number; payloads: Binary; header: object }>("blocks");
  const documents = blocks.map(({ stored: { block } }) => ({
    ...{ _id: Number(block.header.height), header: block.header, payloads: new Binary(block.payloads) },
  }));
  await stored.insertMany(documents);
  const changed = async (): Promise<number[]> => {
    const now = await stored.find().sort({ _id: 1 }).toArray();
    const isOther = (one: (typeof now)[number], i: number): boolean =>
      !Buffer.from(one.payloads.value()).equals(documents[i]?.payloads.value() as Uint8Array);
    return now.filter(isOther).map(({ _id }) => _id);
  };

  const proxy = await ReplyProxy.start(mongod.port);
  const { reached } = proxy.pauseNextWrite();
  const altering = alterNewestEvent(mongodUri(proxy.port));
  const isUnknown = expect(altering).rejects.toThrow(OutcomeUnknown);
  await reached;
  await proxy.stop();
  await isUnknown;
  await expect(altering).rejects.toThrow(/has not said whether event 2 is altered/);

  expect(await changed()).toEqual([]);
  expect(await alterNewestEvent(mongod.uri)).toBe(2);
  expect(await changed()).toEqual([4]);
});
