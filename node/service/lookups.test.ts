import { beforeEach, describe, expect, it } from "vitest";
import { height } from "../../shared/ids.js";
import { type Block, encodeBlock } from "../../shared/log/block.js";
import type { EventFilter } from "../../shared/log/filter.js";
import { EventBytes } from "../../shared/log/proved-body.js";
import type { StoredEvent } from "../../shared/log/stored-event.js";
import { type TestBlock, TestLog } from "../../test/contracts/fixtures.js";
import { ReadingNodes } from "../../test/doubles/reading-nodes.js";

const log = new TestLog();
const blocks: TestBlock[] = [];
for (let at = 1, n = 0; at <= 30; at++)
  blocks.push(
    log.block(
      Array.from({ length: at % 7 === 0 ? 0 : 3 }, () => ({
        eventType: ["a", "b", "b.c"][n++ % 3] as string,
        sourceAppId: "app",
        dataPayload: { n, user: n % 2 },
      })),
      { paths: ["user"] },
    ),
  );
const views = blocks.flatMap((block) => block.views);
const SIZE = views.length;
const BAD = 10;
const INSIDE = views.find((view) => view.height === BAD)?.sequence as number;

const flipped = (bytes: Uint8Array): Uint8Array => {
  const copy = bytes.slice();
  copy[copy.length - 1] = (copy.at(-1) ?? 0) ^ 1;
  return copy;
};
const EDITS: [string, (block: Block) => Block][] = [
  ["its payloads", (block) => ({ ...block, payloads: flipped(block.payloads) })],
  ["its records", (block) => ({ ...block, records: flipped(block.records) })],
  ["its header", (block) => ({ ...block, header: { ...block.header, term: 9 as never } })],
  ["how many events it has", (block) => ({ ...block, header: { ...block.header, eventCount: 2 } })],
  ["where its events stand", (block) => ({ ...block, header: { ...block.header, firstSequence: 80 as never } })],
  ["how large the log is", (block) => ({ ...block, header: { ...block.header, treeSize: 3 as never } })],
  ["its height", (block) => ({ ...block, header: { ...block.header, height: height(11) } })],
];

let nodes: ReadingNodes;
beforeEach(async () => {
  nodes = await ReadingNodes.open(blocks);
});

const textOf = ({ stored }: TestBlock): string => Buffer.from(encodeBlock(stored.block)).toString("base64");
const alter = (at: number, ids: readonly string[], change = EDITS[0]?.[1] as (block: Block) => Block): void => {
  for (const id of ids) nodes.of(id).change(at, change);
};
const page = (order: "asc" | "desc", filter: EventFilter = {}) => ({ filter, order, low: 0, high: SIZE, limit: SIZE });
const due = (order: "asc" | "desc", isDue: (view: (typeof views)[number]) => boolean = () => true): number[] => {
  const found = views.filter(isDue).map(({ sequence }) => sequence);
  return order === "asc" ? found : found.reverse();
};

/** Part after part, as the routes read. */
async function all(id: string, request: ReturnType<typeof page>) {
  const sequences: number[] = [];
  const from = new Set<string>();
  let rest = request;
  for (;;) {
    const found = await nodes.of(id).lookups.page({ ...rest, limit: SIZE - sequences.length });
    for (const event of found.events) {
      expect(event.shown()).toMatchObject({ hash: views[event.sequence]?.hash });
      sequences.push(event.sequence);
    }
    for (const node of found.from) from.add(node);
    if (found.next === null || sequences.length === SIZE) return { sequences, from: [...from] };
    rest = request.order === "asc" ? { ...rest, low: found.next } : { ...rest, high: found.next + 1 };
  }
}

it("a single event keeps no more in memory than itself where its block is not kept", async () => {
  const { event } = await nodes.of("n1").lookups.one(4);
  const bytes = new EventBytes();
  (event as StoredEvent).locate(bytes);
  const { records, payloads } = (blocks[1] as TestBlock).stored.block;
  expect(event.hash).toBe(views[4]?.hash);
  expect(bytes.records.buffer.byteLength).toBeLessThan(records.length / 2);
  expect(bytes.payloads.buffer.byteLength).toBeLessThan(payloads.length / 2);
});

describe("a block of which this node's copy is not what was committed", () => {
  it.each([...EDITS, ["all of it", null] as const])(
    "is answered from another node's after somebody altered %s",
    async (_, change) => {
      const { database, altered, lookups } = nodes.of("n1");
      if (change === null) database.blocks.delete(height(BAD));
      else alter(BAD, ["n1"], change);
      for (const sequence of [INSIDE, INSIDE + 1, INSIDE + 2]) {
        const { event, from } = await lookups.one(sequence);
        expect([event.hash, from]).toEqual([views[sequence]?.hash, ["n2"]]);
        expect(JSON.parse(event.shown().payload)).toEqual(views[sequence]?.dataPayload);
      }
      for (const order of ["asc", "desc"] as const)
        expect(await all("n1", page(order))).toEqual({ sequences: due(order), from: ["n2"] });
      expect(altered).toContain(BAD);
      // Its index names the same blocks as before.
      const filtered = await all("n1", page("asc", { eventType: "b", sourceAppId: "app" }));
      expect(filtered).toEqual({ sequences: due("asc", (view) => view.eventType === "b"), from: ["n2"] });
      // All others are this node's own.
      expect((await lookups.one(0)).from).toEqual([]);
      expect((await nodes.of("n2").lookups.one(INSIDE)).from).toEqual([]);
    },
  );

  it("is this node's own again once it is put back", async () => {
    const { lookups } = nodes.of("n1");
    alter(BAD, ["n1"]);
    expect((await lookups.one(INSIDE)).from).toEqual(["n2"]);
    nodes.of("n1").change(BAD, () => blocks[BAD - 1]?.stored.block as Block);
    expect((await lookups.one(INSIDE)).from).toEqual([]);
  });

  it("is believed for its hash alone, whoever gives it", async () => {
    alter(BAD, ["n1"]);
    const fork = log.fork(blocks[BAD - 2] as TestBlock).block([{ dataPayload: { i: "another" } }, {}, {}]);
    const edited = EDITS[0]?.[1]((blocks[BAD - 1] as TestBlock).stored.block) as Block;
    const texts = [
      textOf(fork),
      Buffer.from(encodeBlock(edited)).toString("base64"),
      textOf(blocks[BAD] as TestBlock),
      textOf(blocks[BAD - 1] as TestBlock).slice(0, -8),
      "AAAA",
      "no base64 at all",
    ];
    nodes.lies.set("n2", () => ({ blocks: texts }));
    const { event, from } = await nodes.of("n1").lookups.one(INSIDE);
    expect([event.hash, from]).toEqual([views[INSIDE]?.hash, ["n3"]]);
  });

  it("is 409 where nobody else's proves, and nobody passes the question on", async () => {
    alter(BAD, ["n1", "n2"]);
    nodes.down.add("n3");
    await expect(nodes.of("n1").lookups.one(INSIDE)).rejects.toMatchObject({
      code: "event_altered",
      detail: expect.stringContaining("no other node has given a sound copy"),
    });
    expect(nodes.asked).toEqual(["n1 n2 sound-blocks", "n1 n3 sound-blocks"]);
    await expect(nodes.of("n2").lookups.page({ ...page("asc"), low: INSIDE })).rejects.toMatchObject({
      code: "event_altered",
    });
    expect(nodes.asked.slice(2)).toEqual(["n2 n1 sound-blocks", "n2 n3 sound-blocks"]);
  });

  it("is asked for once by all who want it at the same time", async () => {
    alter(BAD, ["n1"]);
    const { lookups } = nodes.of("n1");
    const found = await Promise.all([INSIDE, INSIDE + 1, INSIDE + 2, INSIDE].map((sequence) => lookups.one(sequence)));
    expect(found.map(({ event }) => event.sequence)).toEqual([INSIDE, INSIDE + 1, INSIDE + 2, INSIDE]);
    expect(nodes.asked).toEqual(["n1 n2 sound-blocks"]);
  });

  it("comes together with the others of its page, and of each only where it is sound", async () => {
    for (const { stored } of blocks.slice(1)) alter(stored.block.header.height, ["n1"]);
    alter(BAD, ["n2"]);
    const found = await all("n1", page("asc"));
    expect(found.sequences).toEqual(due("asc"));
    expect(found.from.sort()).toEqual(["n2", "n3"]);
    // Each part is read after what it needs has come, so not a question for each block.
    expect(nodes.asked.length).toBeLessThan(8);
  });
});

it("gives another node's copy to who makes the index anew, and says why where none is sound", async () => {
  const heights = [BAD, BAD + 1].map(height);
  const readOf = async (id: string): Promise<unknown[]> => {
    const blocks = await nodes.of(id).readForIndex(heights);
    return blocks.map(({ header, from }) => [header.height, from]);
  };
  alter(BAD, ["n1"]);
  expect(await readOf("n1")).toEqual([
    [BAD, "n2"],
    [BAD + 1, undefined],
  ]);
  alter(BAD, ["n2", "n3"]);
  await expect(readOf("n3")).rejects.toThrow(`Stored block ${BAD}`);
});

describe("a filter on an index that is in doubt", () => {
  const filter = { eventType: "b" };
  const isDue = ({ eventType }: (typeof views)[number]): boolean => eventType === "b";
  const hide = (id: string): void =>
    nodes.of(id).changeEntry(BAD, (entry) => ({
      ...entry,
      entry:
        entry.entry === null
          ? null
          : { ...entry.entry, index: { ...entry.entry.index, names: { terms: [], places: [] } } },
    }));

  it("is decided by another node, and shown from this node's log", async () => {
    hide("n1");
    const { lookups } = nodes.of("n1");
    const missed = await all("n1", page("asc", filter));
    expect(missed.sequences).not.toEqual(due("asc", isDue));
    nodes.of("n1").isIndexInDoubt = true;
    for (const order of ["asc", "desc"] as const)
      expect(await all("n1", page(order, filter))).toEqual({ sequences: due(order, isDue), from: ["n2"] });
    expect(
      (await lookups.page({ ...page("asc", filter), skip: 2, limit: 3 })).events.map((one) => one.sequence),
    ).toEqual(due("asc", isDue).slice(2, 5));
    const range = { high: SIZE, cap: 1_000 };
    expect(await lookups.count(filter, range)).toEqual({
      total: due("asc", isDue).length,
      isCapped: false,
      from: ["n2"],
    });
    const asked = { filter, since: null, until: null, buckets: 4, size: SIZE };
    const { from, ...spans } = await lookups.histogram(asked);
    expect(from).toEqual(["n2"]);
    expect(spans.counts.reduce((sum: number, count) => sum + (count ?? 0), 0)).toBe(due("asc", isDue).length);
    const payload = { payload: [{ path: "user", texts: ["1"] }] };
    expect((await all("n1", page("asc", payload))).from).toEqual(["n2"]);
    // What entries say nothing of is this node's to answer.
    nodes.asked.length = 0;
    expect((await all("n1", page("desc"))).from).toEqual([]);
    expect((await lookups.one(3)).from).toEqual([]);
    expect(nodes.asked).toEqual([]);
  });

  it("shows a block from a third node where this one's copy and the searching one's are altered", async () => {
    nodes.of("n1").isIndexInDoubt = true;
    alter(BAD, ["n1"]);
    const found = await all("n1", page("asc", filter));
    expect(found.sequences).toEqual(due("asc", isDue));
    expect(found.from).toEqual(["n2"]);
    alter(BAD, ["n2"]);
    const again = await all("n1", page("desc", filter));
    expect(again.sequences).toEqual(due("desc", isDue));
    expect(again.from).toContain("n3");
  });

  it("is decided here where nobody else can, and no question goes further", async () => {
    for (const id of ["n1", "n2"]) nodes.of(id).isIndexInDoubt = true;
    nodes.down.add("n3");
    expect(await all("n1", page("asc", filter))).toEqual({ sequences: due("asc", isDue), from: [] });
    expect(nodes.asked).toEqual(["n1 n2 find", "n1 n3 find"]);
    expect((await nodes.of("n2").lookups.count(filter, { high: SIZE, cap: 9 })).from).toEqual([]);
    expect(nodes.asked.slice(2)).toEqual(["n2 n1 count", "n2 n3 count"]);
  });

  it("is decided by another node when an entry turns out to be wrong, or the index to be gone", async () => {
    const { lookups, database, differing } = nodes.of("n1");
    // It names places that its block does not have.
    nodes.of("n1").changeEntry(BAD, (entry) => ({ ...entry, first: entry.first + 1 }));
    const found = await all("n1", page("asc", { typePrefix: "b" }));
    expect(found).toEqual({ sequences: due("asc", ({ eventType }) => eventType === "b.c"), from: ["n2"] });
    expect(differing).toContain(BAD);
    database.marker = null;
    expect((await lookups.count(filter, { high: SIZE, cap: 1_000 })).from).toEqual(["n2"]);
    expect(nodes.of("n1").lost).toBeGreaterThan(0);
    for (const id of ["n2", "n3"]) nodes.down.add(id);
    await expect(lookups.count({ sourceAppId: "x" }, { high: SIZE, cap: 1_000 })).rejects.toMatchObject({
      code: "index_rebuilding",
    });
  });

  it("takes no list of names that makes no sense, nor an event that does not meet it", async () => {
    const placed = (sequence: number) => ({ sequence, height: views[sequence]?.height ?? 0 });
    const rest = { next: null, isCutOff: false };
    const [first, second] = due("asc", isDue) as [number, number];
    const lies: unknown[] = [
      { events: [placed(second), placed(first)], ...rest },
      { events: [placed(first), placed(first)], ...rest },
      { events: [{ sequence: SIZE, height: 30 }], ...rest },
      { events: [{ sequence: first, height: 31 }], ...rest },
      { events: [{ sequence: first, height: 0 }], ...rest },
      { events: [], next: 0, isCutOff: false },
      { events: [placed(second)], next: second, isCutOff: false },
      { events: [], ...rest, more: 1 },
    ];
    for (const found of lies) {
      nodes = await ReadingNodes.open(blocks);
      nodes.of("n1").isIndexInDoubt = true;
      nodes.lies.set("n2", () => ({ found }));
      expect(await all("n1", page("asc", filter))).toEqual({ sequences: due("asc", isDue), from: ["n3"] });
    }
    nodes.down.add("n3");
    const named = [placed(first), placed(first + 1), { sequence: second, height: 5 }, placed(second + 3)];
    nodes.lies.set("n2", () => ({ found: { events: named, ...rest } }));
    const { sequences } = await all("n1", page("asc", filter));
    expect(sequences.every((sequence) => isDue(views[sequence] as (typeof views)[number]))).toBe(true);
    expect(sequences).toContain(first);
    expect(sequences).not.toContain(second);
  });

  it("ends where nothing that another node names is so: it could name something else for ever", async () => {
    nodes.of("n1").isIndexInDoubt = true;
    nodes.lies.set("n2", (_path, { low }: { low: number }) => ({
      found: { events: [{ sequence: low, height: views[low]?.height }], next: low + 1, isCutOff: false },
    }));
    const nobodys = page("asc", { eventType: "nobody's" });
    expect(await nodes.of("n1").lookups.page(nobodys)).toEqual({ events: [], next: 1, isCutOff: true, from: ["n2"] });
    // What is so is shown, and the list goes on behind it.
    const [first = 0] = due("asc", isDue);
    const found = await nodes.of("n1").lookups.page({ ...page("asc", filter), low: first });
    expect(found).toMatchObject({ events: [{ sequence: first }], next: first + 1, isCutOff: false });
  });

  it("is looked up for another node before all that one address waits for", async () => {
    const { lookups, handlers } = nodes.of("n2");
    let done = 0;
    const clients = Array.from({ length: 20 }, async () => {
      await lookups.page({ ...page("asc", filter), by: "192.0.2.1" });
      done += 1;
    });
    const question = { filter, order: "asc", low: 0, high: SIZE, skip: 0, limit: SIZE };
    const asked = { from: "n1", requestId: "", signal: new AbortController().signal };
    const answer = await handlers.get("find")?.(question, asked);
    expect(done).toBeLessThan(10);
    const events = due("asc", isDue).map((sequence) => expect.objectContaining({ sequence }));
    expect(answer).toMatchObject({ status: 200, body: { found: { events, next: null } } });
    await Promise.all(clients);
  });

  it("is refused where too many wait for other nodes, and not decided by the index in doubt", async () => {
    nodes.of("n1").isIndexInDoubt = true;
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const isSilent = async (): Promise<unknown> => {
      await released;
      return { found: null };
    };
    for (const id of ["n2", "n3"]) nodes.lies.set(id, isSilent);
    const { lookups } = nodes.of("n1");
    // Two are asked for, and 64 wait.
    const waiting = Array.from({ length: 66 }, () => lookups.page(page("asc", filter)));
    await expect.poll(() => nodes.asked.length).toBe(2);
    const refusal = { code: "overloaded", detail: expect.stringContaining("too many filtered reads already wait") };
    await expect(lookups.page(page("asc", filter))).rejects.toMatchObject(refusal);
    await expect(lookups.count(filter, { high: SIZE, cap: 9 })).rejects.toMatchObject(refusal);
    const asked = { filter, since: null, until: null, buckets: 4, size: SIZE };
    await expect(lookups.histogram(asked)).rejects.toMatchObject(refusal);
    release();
    // Nobody had a better word for these.
    for (const found of await Promise.all(waiting)) expect(found.from).toEqual([]);
  });

  it("is asked of nobody who does not index the path, and an own failure is told as before", async () => {
    nodes.of("n1").isIndexInDoubt = true;
    const other = { payload: [{ path: "amount", texts: ["1"] }] };
    const asked = nodes.of("n2").handlers.get("find");
    const answer = await asked?.(
      { filter: other, order: "asc", low: 0, high: SIZE, limit: 5 },
      { from: "n1", requestId: "", signal: new AbortController().signal },
    );
    expect(answer).toEqual({ status: 200, body: { found: null } });
  });
});

it("a search ends with what it has found once the time that it was given is over, where that is less than any search's", async () => {
  const request = page("asc", { timestampFrom: { millis: 0, rest: "" } });
  expect((await nodes.of("n1").lookups.page(request)).isCutOff).toBe(false);
  const { isCutOff, events } = await nodes.of("n1").lookups.page({ ...request, searchMsMax: -1 });
  expect(isCutOff).toBe(true);
  expect(events.length).toBeLessThan(SIZE);
});
