import { describe, expect, it } from "vitest";
import type { ChainState } from "../shared/log/chain.js";
import type { Member } from "../shared/log/control.js";
import type { PeerMessage } from "../shared/protocol/messages.js";
import type { Core } from "./core.js";
import { genesisRefusal } from "./founding.js";

const member = (id: string, joinNonce = "1"): Member =>
  ({ id, storeId: id, joinNonce, keys: { block: id } }) as unknown as Member;
const listed = [member("n1"), member("n2")];

/** Only what is looked at is filled. */
function refusal(of: { belongsTo?: string; knows?: readonly Member[]; genesis?: readonly Member[]; says?: string }) {
  const { belongsTo = null, knows = null, genesis = listed, says = "c" } = of;
  const core = { config: { formedClusterId: belongsTo }, hard: { forming: knows } } as unknown as Core;
  const members = new Map(genesis.map((one) => [one.id, one]));
  const next = { height: 1, clusterId: "c", members } as unknown as ChainState;
  return genesisRefusal(core, { clusterId: says } as unknown as PeerMessage, next);
}

describe("a genesis", () => {
  it("is refused if it is not of the cluster that the identity belongs to", () => {
    expect(refusal({ belongsTo: "d" })).toMatch("this node belongs to cluster d");
    expect(refusal({ belongsTo: "c" })).toBeNull();
  });
  it("is refused by one that joins if the cluster is not named after it", () => {
    expect(refusal({ says: "another" })).toBe("the genesis is not the cluster's");
    expect(refusal({ says: "c" })).toBeNull();
  });
  it("is refused if it lists other members than this node has stored", () => {
    const others = "the genesis lists other members than the forming record";
    expect(refusal({ knows: [member("n1")] })).toBe(others);
    expect(refusal({ knows: [member("n1"), member("n2", "another join")] })).toBe(others);
    expect(refusal({ knows: listed })).toBeNull();
  });
});
