import { describe, expect, it } from "vitest";
import { height, term } from "../shared/ids.js";
import { type ChainState, EMPTY_CHAIN } from "../shared/log/chain.js";
import type { Member } from "../shared/log/control.js";
import type { PeerBody, PeerMessage } from "../shared/protocol/messages.js";
import type { Core } from "./core.js";
import { genesisRefusal } from "./founding.js";
import { DEFAULT_LIMITS } from "./limits.js";
import { Replica } from "./replica.js";
import type { BootState, Effect, Ports, ReplicaConfig } from "./types.js";

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
    expect(refusal({ belongsTo: "d" })).toEqual({ code: "genesis_of_other_cluster", own: "d", theirs: "c" });
    expect(refusal({ belongsTo: "c" })).toBeNull();
  });
  it("is refused by one that joins if the cluster is not named after it", () => {
    expect(refusal({ says: "another" })).toEqual({ code: "genesis_not_of_cluster" });
    expect(refusal({ says: "c" })).toBeNull();
  });
  it("is refused if it lists other members than this node has stored", () => {
    const others = { code: "genesis_of_other_members" };
    expect(refusal({ knows: [member("n1")] })).toEqual(others);
    expect(refusal({ knows: [member("n1"), member("n2", "another join")] })).toEqual(others);
    expect(refusal({ knows: listed })).toBeNull();
  });
});

/** n1 of n1 and n2, which has nothing yet, and what n2 says to it. */
function newborn(): {
  core: Core;
  hear: (body: PeerBody, of?: Partial<PeerMessage>, asked?: { ref: number }) => Effect[];
} {
  const keys = { block: "k", log: "k", cosign: "k" };
  const self = { id: "n1", address: "http://n1.test", priority: 1, storeId: "a".repeat(32), keys };
  const config: ReplicaConfig = {
    self,
    configured: [self, { id: "n2", priority: 2 }],
    ...{ heartbeatMs: 100, electionTimeoutMs: 1_000, requestTimeoutMs: 5_000, takeoverCooldownMs: 5_000 },
    ...{ admitsNewKeys: true, formedClusterId: null, limits: DEFAULT_LIMITS, seed: 1 },
    admissionReasons: { knownKeys: "", newKeys: "" },
    ...{ genesisNonce: "b".repeat(32), nextJoinNonce: "c".repeat(32) },
  };
  const boot: BootState = {
    hardState: { term: term(0), votedFor: null, joinNonce: "d".repeat(32), forming: null },
    base: EMPTY_CHAIN,
    ...{ tail: [], commitHeight: height(0), ids: [], idsFrom: height(1), campaignsLate: false },
  };
  const replica = new Replica(config, boot, {} as Ports);
  const at = { now: 1, wall: "2030-01-01T00:00:00.000Z" };
  replica.step({ kind: "tick", ...at });
  const { core } = replica as unknown as { core: Core };
  const hear = (body: PeerBody, of: Partial<PeerMessage> = {}, asked?: { ref: number }): Effect[] => {
    const message = { from: "n2", to: "n1", clusterId: "", formingHash: "", term: term(0), wallMs: 0, blocks: [] };
    return replica.step({ kind: "message", ...at, message: { ...message, body, ...of } as PeerMessage, ...asked });
  };
  return { core, hear };
}

it("answers within the request that asks", () => {
  const { core, hear } = newborn();
  const member = { ...core.self, id: "n2", storeId: "e".repeat(32) };
  const join = { member, configured: ["n1", "n2"], record: null, isFormed: false, wantsAnswer: true };
  const effects = hear({ kind: "join", ...join }, {}, { ref: 7 });
  expect(effects.filter(({ kind }) => kind === "send")).toMatchObject([{ ref: 7, message: { to: "n2" } }]);
});

it("forgets who had its list when it leaves it for a log that began with another one", () => {
  const { core, hear } = newborn();
  const other = { ...core.self, id: "n2", storeId: "e".repeat(32) };
  hear({ kind: "join", member: other, configured: ["n1", "n2"], record: null, isFormed: false, wantsAnswer: false });
  hear({ kind: "alive" }, { formingHash: core.formingHash });
  expect([...core.founding.founders]).toEqual(["n2"]);
  const append = {
    ...{ kind: "append", round: 1, previousHeight: height(0), previousHash: EMPTY_CHAIN.blockHash },
    ...{ commitHeight: height(0), acknowledgedHeight: height(0), electionTimeoutMs: 1_000, clocks: [] },
  } as const;
  const begun = { clusterId: "c".repeat(64), formingHash: "f".repeat(64), term: term(1) } as Partial<PeerMessage>;
  hear(append as unknown as PeerBody, begun);
  expect(core.hard.forming).toBeNull();
  expect([...core.founding.founders]).toEqual([]);
});
