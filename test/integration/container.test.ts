import { GenericContainer, getContainerRuntimeClient, type StartedTestContainer, Wait } from "testcontainers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openStorage } from "../../node/storage/open.js";
import type { Storage } from "../../node/storage/port.js";
import { height, term } from "../../shared/ids.js";
import { insert, STATE_MAC, TestLog } from "../contracts/fixtures.js";

/** The official image needs a Docker engine; without one the same storage is tested on a local mongod elsewhere. */
const hasEngine = await getContainerRuntimeClient().then(
  () => true,
  () => false,
);
if (!hasEngine) console.warn("skipped: no Docker engine (test/integration/container.test.ts needs one for mongo:7.0)");

describe.skipIf(!hasEngine)(
  `a node's storage in the official mongo:7.0 image${hasEngine ? "" : " (skipped: no Docker engine)"}`,
  () => {
    let container: StartedTestContainer;
    let boots = 0;
    const storage = (): Storage =>
      openStorage({
        mongodbUri: `mongodb://127.0.0.1:${container.getMappedPort(27017)}/eventLogs`,
        nodeId: "n1",
        bootId: `boot-${++boots}`,
        stateMac: STATE_MAC,
        stallMs: 10_000,
        slowMs: 5_000,
        uncleanWaitMs: 0,
        initReplicaSet: false,
        allowUnsafeMongod: false,
      });

    beforeAll(async () => {
      container = await new GenericContainer("mongo:7.0")
        .withExposedPorts(27017)
        .withWaitStrategy(Wait.forLogMessage("Waiting for connections"))
        .start();
    }, 300_000);
    afterAll(() => container?.stop());

    it("opens, keeps state, blocks and entries, and finds them again in the next process", async () => {
      const { blocks } = TestLog.grow(3);
      const state = { term: term(1), votedFor: "n1", joinNonce: "a".repeat(32), forming: null };
      const first = storage();
      expect(await first.log.open()).toMatchObject({ hardState: null, tailHeight: 0 });
      await first.log.saveState(state);
      await insert(first.log, blocks);
      await first.log.close();

      const second = storage();
      expect(await second.log.open()).toMatchObject({
        hardState: state,
        tailHeight: blocks.length,
        index: { paths: [] },
      });
      for (const [i, { stored }] of blocks.slice(1).entries()) {
        const read = { block: { ...stored.block, signature: new Uint8Array(0) }, frontier: [] };
        expect(await second.reader.holding(i, height(blocks.length))).toEqual(read);
        expect(await second.reader.readBlocks([stored.block.header.height], 1)).toEqual([read]);
      }
      await second.log.close();
    });
  },
);
