import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import type { Vectors } from "../../test/vectors/make-vectors.js";
import { projectRoot } from "../lib/project.js";
import { type BlockAnswer, NoAnswer } from "./api.js";
import { Findings } from "./findings.js";
import { LiveNode } from "./live-node.js";
import { leafOf, Tree } from "./tree.js";

const { log } = JSON.parse(readFileSync(join(projectRoot(), "test/vectors/hash-spec.json"), "utf8")) as Vectors;
const leavesOf = ({ recordTexts }: (typeof log.blocks)[number]): Buffer[] =>
  recordTexts.map((text) => leafOf(Buffer.from(text)));

/** The roots of the perfect subtrees, the largest first. */
function frontierOf(leaves: readonly Buffer[]): string[] {
  const roots: string[] = [];
  for (let from = 0; from < leaves.length; ) {
    const width = 2 ** Math.floor(Math.log2(leaves.length - from));
    roots.push(new Tree().with(leaves.slice(from, from + width)).root);
    from += width;
  }
  return roots;
}

const answers: readonly BlockAnswer[] = log.blocks.map((block, i) => ({
  ...{ header: block.header, blockHash: block.blockHash, signature: block.signature },
  frontierBefore: frontierOf(log.blocks.slice(0, i).flatMap(leavesOf)),
  leaves: leavesOf(block).map((leaf) => leaf.toString("hex")),
}));
const events = log.blocks.flatMap((block) => block.events);

/** A node that shows these events, and then no more. */
async function nodeWith(shown: readonly unknown[], signatures = true): Promise<LiveNode> {
  const server = createServer((_, answer) => answer.end(JSON.stringify({ events: shown }))).listen(0, "127.0.0.1");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return new LiveNode({ id: "n1", url, findings: new Findings(), signatures, expected: null });
}

async function judged(node: LiveNode, isSilentAt: (height: number) => boolean): Promise<void> {
  for (const [i, answer] of answers.entries()) {
    const height = i + 1;
    const found = isSilentAt(height) ? new NoAnswer("it is away") : answer;
    await node.judge(height, found, height === answers.length);
  }
}

const NEVER = (): boolean => false;

it("verifies the log of the vectors as a node shows it", async () => {
  const node = await nodeWith(events);
  await judged(node, NEVER);
  expect([node.options.findings.kept, node.silence]).toEqual([[], null]);
  expect(node.chain.blockHash).toBe(log.blocks.at(-1)?.blockHash);
});

it("a node that is away for some of the blocks is not verified, and of nothing is it said that it was altered", async () => {
  for (let from = 1; from <= answers.length; from++)
    for (let through = from; through <= answers.length; through++) {
      const node = await nodeWith(events);
      await judged(node, (height) => height >= from && height <= through);
      expect([from, through, node.options.findings.kept, node.silence]).toEqual([from, through, [], "it is away"]);
    }
});

it("a node that does not show its last events is not verified, and the run ends", async () => {
  const node = await nodeWith(events.slice(0, -1));
  await judged(node, NEVER);
  expect(node.options.findings.kept).toEqual([]);
  expect(node.silence).toContain("does not show event");
});
