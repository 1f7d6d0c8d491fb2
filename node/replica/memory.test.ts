import { describe, expect, it } from "vitest";
import { term } from "../../shared/ids.js";
import type { OpenedStore } from "../storage/port.js";
import { settleHardState, whatStateLost } from "./memory.js";
import type { RecoveryOptions } from "./recovery.js";

const STORE = "1".repeat(32);
const identity = {
  isNew: false,
  folder: "the-folder",
  identity: { storeId: STORE, formedClusterId: "formed", votedTerm: 4, mark: null, bootCounter: 1 },
};
/** A node that has voted in term 4, in its first process, and is now opened by this one or another. */
const options = (remembered: { term: number; votedFor: string | null } | null, memberCount = 3): RecoveryOptions =>
  ({
    identity,
    memberCount,
    remembered: remembered === null ? null : { hardState: remembered },
    onWarning: () => undefined,
  }) as unknown as RecoveryOptions;
const opened = (inTerm: number, votedFor: string | null): OpenedStore =>
  ({
    hardState: { term: term(inTerm), votedFor, joinNonce: "a".repeat(32), forming: null },
    isStateAltered: false,
    storeId: STORE,
    previousBootCounter: 1,
    tailHeight: 7,
  }) as unknown as OpenedStore;

describe("a vote that a node has given", () => {
  it("is lost where its database holds none for the term of the last one", () => {
    expect(whatStateLost(options(null), opened(4, "n2"))).toBeNull();
    expect(whatStateLost(options(null), opened(4, null))).toBe("its database has lost a vote");
  });

  it("is lost where its database names another node than this process voted for", () => {
    expect(whatStateLost(options({ term: 4, votedFor: "n2" }), opened(4, "n2"))).toBeNull();
    expect(whatStateLost(options({ term: 4, votedFor: "n2" }), opened(4, "n3"))).toBe("its database has lost a vote");
    expect(whatStateLost(options({ term: 4, votedFor: null }), opened(4, "n3"))).toBeNull();
  });
});

it("a log of one node does not go on where its memory is in doubt: nobody could admit it anew", async () => {
  const settled = settleHardState(options(null, 1), opened(4, null), "its database has lost a vote");
  await expect(settled).rejects.toThrow("This one-node log cannot go on: its database has lost a vote.");
});
