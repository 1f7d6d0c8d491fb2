import { expect, it } from "vitest";
import { height, term } from "../shared/ids.js";
import { type BlockVerdict, EMPTY_CHAIN } from "../shared/log/chain.js";
import type { PeerMessage } from "../shared/protocol/messages.js";
import { compare } from "./conflict.js";
import type { Core } from "./core.js";
import { DEFAULT_LIMITS } from "./limits.js";
import { LogView } from "./log-view.js";

/** What a node with an empty log says of a leader's first block, which its check finds so. */
function alertOf(verdict: BlockVerdict) {
  const core = {
    role: "follower",
    log: new LogView(EMPTY_CHAIN, [], height(0), DEFAULT_LIMITS),
    following: { learnedCommit: height(0) },
    ports: { verifyBlock: () => verdict },
  } as unknown as Core;
  const blocks = [{ header: { height: 1, term: 1, leaderId: "n1" } }];
  const body = { kind: "append", previousHeight: height(0), previousHash: EMPTY_CHAIN.blockHash };
  const found = compare(core, { from: "n1", term: term(1), blocks } as unknown as PeerMessage, body as never);
  return found.kind === "conflict" ? found.alert : null;
}

it("an alert of a block that fails its check names the event where it is one, and no other", () => {
  const failed = { ok: false, fault: "bad_body", detail: "its payload is another one" } as const;
  const alert = { alertKind: "bad_body", accused: "n1", height: 1 };
  expect(alertOf({ ...failed, sequence: 3 })).toMatchObject({ ...alert, sequence: 3 });
  expect(alertOf(failed)).toMatchObject(alert);
  expect(alertOf(failed)).not.toHaveProperty("sequence");
});
