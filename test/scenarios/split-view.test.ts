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
 * n1 leads and lies: what it tells n3 in the place of a block that n2 gets is another one, with its good signature; and it
 * goes on with the lie, so that n3 hears nothing of the others' block from it.
 */
function lie(lab: Lab, blocksMax = 1): { readonly lies: Block[] } {
  const n1 = lab.node("n1");
  const lies: Block[] = [];
  lab.checkers.alerts.liars.add("n1");
  lab.drop((message) => {
    if (message.from !== "n1" || message.to !== "n3" || message.body.kind !== "append") return false;
    const first = lies[0] ?? secondBlock(lab.checkers.history.committed.length, n1, message);
    if (first === null) return false;
    if (lies.length === 0) lies.push(first);
    for (const { header } of message.blocks) extend(lab, lies, header.height, blocksMax);
    for (const one of lies) lab.checkers.history.excuse(one);
    lab.network.send("n1", "n3", () => lab.deliver(told(message, lies)));
    return true;
  });
  return { lies };
}

/** Further blocks on top of the lie, as long as it is to go on. */
function extend(lab: Lab, lies: Block[], at: number, blocksMax: number): void {
  const last = lies.at(-1) as Block;
  if (at <= last.header.height || lies.length >= blocksMax) return;
  const n1 = lab.node("n1");
  const before = { ...n1.disk.chainAt(last.header.height), blockHash: last.blockHash, headHash: last.header.headHash };
  const { term, sealedAt: now } = last.header;
  const range = n1.disk.chainAt((lies[0] as Block).header.height - 1).range;
  const commitHeight = height((lies[0] as Block).header.height - 1);
  const state = { ...before, range, height: last.header.height, sealedAt: now, commitHeight };
  const sealed = sealBlock(state, { term, leaderId: "n1", events: [], now, commitHeight }, signerOf(lab));
  lies.push(sealed.block);
}

const signerOf = (lab: Lab) => fakeSigner(lab.node("n1").disk.identity.keys.block);

/** The same message about the other blocks; what differs is called committed by nobody. */
function told(message: PeerMessage, lies: readonly Block[]): PeerMessage {
  const { body } = message;
  if (body.kind !== "append") return message;
  const from = (lies[0] as Block).header.height;
  const hashOf = (at: number, hash: string): string => lies.find((one) => one.header.height === at)?.blockHash ?? hash;
  const blocks = message.blocks.flatMap((block) => {
    if (block.header.height < from) return [block];
    return lies.filter(({ header }) => header.height === block.header.height);
  });
  const previousHeight = height(Math.min(body.previousHeight, (lies.at(-1) as Block).header.height));
  return {
    ...message,
    blocks: previousHeight === body.previousHeight ? blocks : [],
    body: {
      ...body,
      previousHeight,
      previousHash: hashOf(previousHeight, body.previousHash),
      commitHeight: height(Math.min(body.commitHeight, from - 1)),
    },
  };
}

const found = (lab: Lab) =>
  lab.effects.flatMap(({ node, effect }) =>
    effect.kind === "alert" && effect.alert.alertKind === "fork" ? [{ node, ...effect.alert }] : [],
  );

it("finds two blocks of one height that were told to two followers, within two seconds and on both, and names who signed both", () => {
  const lab = new Lab({ comparesHeads: true }).form();
  const { lies } = lie(lab);
  lab.begin("n1");
  lab.until("n3 has the lie", () => lies[0] !== undefined && lab.tailOf("n3") === lies[0].header.height);
  lab.until("both followers have found it", () => new Set(found(lab).map(({ node }) => node)).size === 2, FOUND_WITHIN_MS);
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
  expect(lab.effects.filter(({ effect }) => effect.kind === "alert")).toEqual([]);
  lab.finish();
});
