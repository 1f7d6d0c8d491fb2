import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import type { Vectors } from "../../test/vectors/make-vectors.js";
import { projectRoot } from "../lib/project.js";
import { type BlockAnswer, NoAnswer } from "./api.js";
import { ExpectedHead } from "./expected.js";
import { Findings } from "./findings.js";
import { verifyCluster } from "./live.js";
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

interface Served {
  /** Whom each address is answered by. */
  readonly by?: Readonly<Record<string, string>>;
  /** Nodes of whose databases n1 says nothing. */
  readonly hides?: readonly string[];
  /** Nodes that are away while blocks below this height are asked for a second time. */
  readonly awayBelow?: Readonly<Record<string, number>>;
  /** Nodes that are not level yet, for so many questions. */
  readonly behind?: Readonly<Record<string, number>>;
  readonly hasNoAlerts?: boolean;
}

const IDS = ["n1", "n2", "n3"] as const;
const heightOf = log.blocks.flatMap((block) => block.events.map(() => block.header.height));

/** Three nodes with the log of the vectors; the address of the first. */
async function clusterOf({ by = {}, hides = [], awayBelow = {}, behind = {}, hasNoAlerts }: Served): Promise<string> {
  const addresses: string[] = [];
  const asked = new Map<string, number>();
  for (const id of IDS) {
    const server = createServer((req, res) => {
      const { pathname, searchParams } = new URL(req.url ?? "/", "http://x");
      const height = Number(/^\/api\/v1\/blocks\/(\d+)$/.exec(pathname)?.[1] ?? 0);
      const [from, count] = [Number(searchParams.get("from")), Number(searchParams.get("count"))];
      const links = events.slice(from, from + count).map(({ sequence, hash, previousHash }) => ({
        ...{ sequence, hash, previousHash, height: heightOf[sequence] },
      }));
      const isAway =
        (height > 0 && height < (awayBelow[id] ?? 0)) || (hasNoAlerts === true && pathname === "/api/v1/alerts");
      const times = (asked.get(id) ?? 0) + (height > 0 ? 1 : 0);
      asked.set(id, times);
      const isBehind = height > 0 && times <= (behind[id] ?? 0);
      const answer = {
        "/api/v1/cluster": {
          clusterId: log.clusterId,
          nodes: IDS.map((one, i) => ({ id: one, address: addresses[i], commitHeight: answers.length })),
        },
        "/api/v1/events": { events },
        "/api/v1/chain": {
          from,
          size: events.length,
          nodes: IDS.filter((one) => !hides.includes(one)).map((node) => ({ node, events: links, altered: [] })),
        },
        "/api/v1/alerts": { alerts: [] },
      }[pathname];
      res.setHeader("X-Served-By", by[id] ?? id);
      const body = isAway ? { detail: "it is away" } : (answers[height - 1] ?? answer);
      if (isBehind) res.writeHead(503).end(JSON.stringify({ code: "not_ready", detail: "it is catching up" }));
      else res.writeHead(isAway ? 500 : 200).end(JSON.stringify(body));
    }).listen(0, "127.0.0.1");
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    await once(server, "listening");
    addresses.push(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  }
  return addresses[0] as string;
}

async function verified(served: Served, expected: ExpectedHead | null = null) {
  const options = { signatures: true, expected, onProgress: () => undefined };
  const { findings, silent, nodes } = await verifyCluster(await clusterOf(served), options);
  return { findings: findings.kept, silent, nodes, notes: findings.notes };
}

it("verifies three nodes, each for itself and against the others", async () => {
  expect(await verified({})).toEqual({ findings: [], silent: [], nodes: ["n1", "n2", "n3"], notes: [] });
});

it("does not take one node for another that answers at its address", async () => {
  const { findings, silent, nodes } = await verified({ by: { n2: "n3" } });
  expect([findings, nodes]).toEqual([[], ["n1", "n3"]]);
  expect(silent).toEqual([expect.stringMatching(/^n2: .* is answered by n3, and should be by n2/)]);
});

it("waits for a node that is not level yet", { timeout: 60_000 }, async () => {
  const { silent, nodes } = await verified({ behind: { n2: 6 } });
  expect([silent, nodes]).toEqual([[], ["n1", "n2", "n3"]]);
});

it("says so where it is not known whether alerts are open", async () => {
  expect((await verified({})).notes).toEqual([]);
  expect((await verified({ hasNoAlerts: true })).notes).toEqual([
    expect.stringMatching(/^Whether alerts are open is not known: .*500/),
  ]);
});

it("a node of whose database nothing is said is not verified", async () => {
  const { findings, silent } = await verified({ hides: ["n3"] });
  expect(findings).toEqual([]);
  expect(silent).toEqual([expect.stringMatching(/^n3: of its database 0 of \d+ events/)]);
});

it("a first node that was away is no log that extends nothing", async () => {
  const root = new Tree().with(log.blocks.flatMap(leavesOf)).root;
  const expected = new ExpectedHead({ size: events.length, root });
  const { findings, silent } = await verified({ awayBelow: { n1: answers.length } }, expected);
  expect(findings).toEqual([]);
  expect(silent.some((one) => one.startsWith("n1: "))).toBe(true);
});
