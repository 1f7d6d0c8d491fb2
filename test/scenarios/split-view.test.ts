import { expect, it } from "vitest";
import { height } from "../../shared/ids.js";
import type { Block } from "../../shared/log/block.js";
import { sealBlock } from "../../shared/log/chain.js";
import type { PeerMessage } from "../../shared/protocol/messages.js";
import { fakeSigner } from "../sim/fake-crypto.js";
import { secondBlock } from "../sim/faults/equivocation.js";
import { Lab } from "./lab.js";

const FOUND_WITHIN_MS = 2_000;

/**
 * n1 leads and lies: what it tells n3 in the place of a block that n2 gets is another one, with its good signature, and
 * further ones on top of it. It goes on with that, so that n3 hears nothing of the others' block from it.
 */
function lie(lab: Lab, blocksMax = 1): { readonly lies: Block[] } {
  const n1 = lab.node("n1");
  const lies: Block[] = [];
  lab.checkers.alerts.liars.add("n1");
  lab.drop((message) => {
    const { from, to, body } = message;
    // It knows better than to count what it has lied about.
    if (lies.length > 0 && from === "n3" && to === "n1") return body.kind === "append_answer";
    if (from !== "n1" || to !== "n3" || body.kind !== "append") return false;
    const next = lies.length === 0 ? secondBlock(lab.checkers.history.committed.length, n1, message) : onTop(lab, lies);
    if (next !== null && lies.length < blocksMax) lies.push(next);
    const [first] = lies;
    if (first === undefined) return false;
    for (const one of lies) lab.checkers.history.excuse(one);
    const previousHeight = height(first.header.height - 1);
    const told: PeerMessage = {
      ...message,
      blocks: [...lies],
      body: {
        ...body,
        ...{ previousHeight, previousHash: first.header.previousBlockHash },
        // Nobody calls committed what differs.
        commitHeight: height(Math.min(body.commitHeight, previousHeight)),
        acknowledgedHeight: height(0),
      },
    };
    lab.network.send("n1", "n3", () => lab.deliver(told));
    return true;
  });
  return { lies };
}

/** An empty block on top of the lies. */
function onTop(lab: Lab, lies: readonly Block[]): Block {
  const { disk } = lab.node("n1");
  const [first, last] = [lies[0], lies.at(-1)] as [Block, Block];
  const { term, height: at, sealedAt, commitHeight } = last.header;
  const state = { ...disk.chainAt(first.header.height - 1), height: at, term, sealedAt, commitHeight };
  const request = { term, leaderId: "n1", events: [], now: sealedAt, commitHeight };
  return sealBlock({ ...state, blockHash: last.blockHash }, request, fakeSigner(disk.identity.keys.block)).block;
}

const found = (lab: Lab) => lab.checkers.alerts.raised.filter(({ alertKind }) => alertKind === "fork");

it("finds two blocks of one height that were told to two followers, within two seconds and on both, and names who signed both", () => {
  const lab = new Lab({ comparesHeads: true }).form();
  const { lies } = lie(lab);
  lab.begin("n1");
  lab.until("n3 has the lie", () => lies[0] !== undefined && lab.tailOf("n3") === lies[0].header.height);
  lab.until(
    "both followers have found it",
    () => new Set(found(lab).map(({ node }) => node)).size === 2,
    FOUND_WITHIN_MS,
  );
  for (const alert of found(lab))
    expect(alert).toMatchObject({ alertKind: "fork", accused: "n1", height: lies[0]?.header.height });
  expect(found(lab)[0]?.detail).toMatch(/two blocks of term 1 at height \d+, both signed by n1/);
  const count = found(lab).length;
  lab.timeouts(5);
  expect(found(lab)).toHaveLength(count);
});

it("names the first block that differs, however many were put on top of it", () => {
  const lab = new Lab({ comparesHeads: true }).form();
  lab.split(["n2"], ["n3"]);
  const { lies } = lie(lab, 6);
  for (let i = 0; i < 6; i++) {
    lab.begin("n1");
    lab.run(50);
  }
  lab.until("n3 has all of the lie", () => lies.length === 6 && lab.tailOf("n3") === lies.at(-1)?.header.height);
  lab.run(FOUND_WITHIN_MS / 2);
  expect(found(lab)).toEqual([]);
  lab.network.mendAll();
  lab.until("it is found once they can talk", () => found(lab).length > 0, FOUND_WITHIN_MS);
  expect(found(lab).map(({ height: at }) => at)).toContain(lies[0]?.header.height);
});

it("believes no header that the accused has not signed", () => {
  const lab = new Lab({ comparesHeads: true, expectsAlert: () => true }).form();
  const { peers } = lab.node("n3").process as NonNullable<ReturnType<Lab["node"]>["process"]>;
  const answer = peers.answer.bind(peers);
  peers.answer = async (exchange, question) => {
    const given = await answer(exchange, question);
    const { head } = given.body as { head: { header: object } | null };
    return exchange.path !== "head" || head === null
      ? given
      : { ...given, body: { head: { ...head, header: { ...head.header, rootHash: "0".repeat(64) } } } };
  };
  lab.timeouts(6);
  expect(found(lab)).toEqual([]);
});

it("says nothing of honest nodes, whoever leads and whatever tails are replaced", () => {
  const lab = new Lab({ comparesHeads: true, seed: 3 }).form();
  for (const id of ["n2", "n3", "n1"]) {
    // What a leader that is cut off seals last is replaced.
    const { leader } = lab;
    const others = lab.nodes.map((node) => node.id).filter((other) => other !== leader?.id);
    lab.split([leader?.id ?? "n1"], others);
    lab.begin(leader?.id ?? "n1");
    lab.timeouts(4);
    lab.network.mendAll();
    lab.until("somebody leads all", () => lab.nodes.every((node) => node.view.leaderId === lab.leader?.id));
    lab.writeTo(id);
  }
  expect(lab.checkers.alerts.raised).toEqual([]);
  lab.finish();
});
